/// Where models come from: the Hugging Face Hub ([dev.pollard.hub.Hub], [dev.pollard.hub.Pull]),
/// the cache they are pulled into ([dev.pollard.hub.ModelCache]), those that lie in the repository
/// ([dev.pollard.hub.Saplings]), and the names that find them ([dev.pollard.hub.ModelNames]). The
/// only package that opens a connection.
package dev.pollard.hub;
