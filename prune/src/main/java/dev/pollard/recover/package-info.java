/// Training that gives a pruned model back some of what it lost, and leaves its zeros alone.
package dev.pollard.recover;
