/// The methods, one file each, and their catalogue.
package dev.pollard.prune.method;
