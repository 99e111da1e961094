/// The command line: commands, console, exit codes. The only user of standard output and of
/// `System.exit`.
package dev.pollard.cli;
