/// From a recipe to a finished output folder: plan, prune, save, verify, evaluate, record.
package dev.pollard.recipe;
