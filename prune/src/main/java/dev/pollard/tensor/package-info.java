/// A thin façade over libtorch: only what pruning needs, and the only importer of `org.bytedeco`.
///
/// Tensors live in native memory and die with the [dev.pollard.tensor.Scope] they were made in.
package dev.pollard.tensor;
