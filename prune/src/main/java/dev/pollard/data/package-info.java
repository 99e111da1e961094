/// Text and token sources as a user names them, cut into windows of token ids.
package dev.pollard.data;
