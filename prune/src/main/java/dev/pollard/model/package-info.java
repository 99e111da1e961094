/// Decoder architectures, one file per family that reads like the paper; loading and saving.
package dev.pollard.model;
