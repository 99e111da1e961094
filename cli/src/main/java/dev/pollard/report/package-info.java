/// What people read of a run: the HTML page and the model card, both from the one record.
package dev.pollard.report;
