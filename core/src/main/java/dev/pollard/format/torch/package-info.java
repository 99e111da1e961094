/// PyTorch zip checkpoints, read without ever running what their pickles ask for.
package dev.pollard.format.torch;
