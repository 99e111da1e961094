/// Tensors as files hold them: dtypes, shapes, views on mapped bytes.
package dev.pollard.format;
