package dev.pollard.tensor;

import static org.bytedeco.pytorch.global.torch.ScalarType;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.PointerConsumer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/// An n-dimensional array of float32 in native memory (bfloat16, float64 and int64 only where a
/// method says so).
///
/// Operations return new tensors in the current [Scope]; those ending in `_` change this one, as in
/// torch. libtorch reports misuse (shapes that do not fit, say) as [RuntimeException].
public final class Tensor implements AutoCloseable {
    static {
        Engine.load();
    }

    /// Up to so many tokens attention is cut into strips by us, and keeps its scores if gradients
    /// are wanted.
    public static final int SHORT_SEQUENCE = 768;

    private static final long SLICE = 8192; // rows of a weight in tallLinear
    private static final long SLICED_ROWS = 192; // with more the products leave the cache anyway

    private static final long STRIP = 64;

    private org.bytedeco.pytorch.Tensor t;

    private Tensor(org.bytedeco.pytorch.Tensor t) {
        this.t = t;
    }

    org.bytedeco.pytorch.Tensor handle() {
        return t;
    }

    /// Another handle of the same tensor.
    static Tensor sharing(org.bytedeco.pytorch.Tensor t) {
        return new Tensor(new org.bytedeco.pytorch.Tensor(t));
    }

    /// From now on this is `other`, which holds the same values.
    void become(Tensor other) {
        t = other.t;
    }

    // ---- making ----

    /// A copy of `values` with the given shape.
    public static Tensor of(float[] values, long... shape) {
        var tensor = empty(shape);
        MemorySegment.copy(values, 0, tensor.segment(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    /// Token ids as an int64 tensor `[ids]`.
    public static Tensor ofIds(int[] ids) {
        var tensor =
                new Tensor(torch.empty(new long[] {ids.length}, options(ScalarType.Long), null));
        MemorySegment bytes = tensor.bytes(8L * ids.length);
        for (int i = 0; i < ids.length; i++) {
            bytes.setAtIndex(ValueLayout.JAVA_LONG, i, ids[i]);
        }
        return tensor;
    }

    /// A float32 tensor on memory of the caller, without a copy: the segment must stay alive and be
    /// native.
    ///
    /// @throws IllegalArgumentException if the segment is on the heap or smaller than the shape
    ///     asks for
    public static Tensor view(MemorySegment floats, long... shape) {
        long bytes = 4 * elements(shape);
        if (!floats.isNative() || floats.byteSize() < bytes) {
            throw new IllegalArgumentException(
                    "need %d native bytes for %s, have %d"
                            .formatted(bytes, Arrays.toString(shape), floats.byteSize()));
        }
        return new Tensor(
                torch.from_blob(
                        new Address(floats.address()),
                        shape,
                        strides(shape),
                        (PointerConsumer) null,
                        options(ScalarType.Float),
                        null));
    }

    /// Uninitialised float32 memory.
    public static Tensor empty(long... shape) {
        return new Tensor(torch.empty(shape, options(ScalarType.Float), null));
    }

    public static Tensor zeros(long... shape) {
        return new Tensor(torch.zeros(shape, options(ScalarType.Float)));
    }

    public static Tensor full(double value, long... shape) {
        return new Tensor(torch.full(shape, new Scalar(value), options(ScalarType.Float)));
    }

    /// `0, 1, …, end - 1` as float32.
    public static Tensor range(long end) {
        return new Tensor(torch.arange(new Scalar(end), options(ScalarType.Float)));
    }

    // ---- looking ----

    public long[] shape() {
        long[] shape = new long[(int) t.dim()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = t.size(i);
        }
        return shape;
    }

    /// Size of dimension `axis`; negative counts from the last.
    public long size(int axis) {
        return t.size(axis);
    }

    public int rank() {
        return (int) t.dim();
    }

    public long elements() {
        return t.numel();
    }

    /// The float32 values of a contiguous tensor, without a copy; alive as long as the tensor.
    ///
    /// @throws IllegalStateException if the tensor is not contiguous float32
    public MemorySegment segment() {
        if (t.scalar_type().intern() != ScalarType.Float || !t.is_contiguous()) {
            throw new IllegalStateException(
                    "not a contiguous float32 tensor: " + Arrays.toString(shape()));
        }
        return bytes(4 * elements());
    }

    /// The values in C order, copied; of any real dtype.
    public float[] toFloats() {
        float[] values = new float[Math.toIntExact(elements())];
        try (var _ = Scope.open()) {
            MemorySegment source = new Tensor(t.to(ScalarType.Float).contiguous()).segment();
            MemorySegment.copy(source, ValueLayout.JAVA_FLOAT, 0, values, 0, values.length);
        }
        return values;
    }

    /// The only value of a tensor of one element.
    public double item() {
        return t.item_double();
    }

    /// Whether no value is NaN or infinite.
    public boolean isFinite() {
        try (var _ = Scope.open()) {
            // A sum is finite unless a value is not, or finite values overflow: one cheap pass
            // decides almost always.
            return Double.isFinite(t.sum().item_double()) || t.isfinite().all().item_bool();
        }
    }

    // ---- shape ----

    public Tensor reshape(long... shape) {
        return new Tensor(t.reshape(shape));
    }

    public Tensor transpose(int a, int b) {
        return new Tensor(t.transpose(a, b));
    }

    public Tensor unsqueeze(int axis) {
        return new Tensor(t.unsqueeze(axis));
    }

    /// A view of `length` entries of `axis` from `start` on.
    public Tensor narrow(int axis, long start, long length) {
        return new Tensor(t.narrow(axis, start, length));
    }

    /// A view of entry `index` of `axis`, without that axis.
    public Tensor select(int axis, long index) {
        return new Tensor(t.select(axis, index));
    }

    public Tensor expand(long... shape) {
        return new Tensor(t.expand(shape));
    }

    public Tensor contiguous() {
        return new Tensor(t.contiguous());
    }

    /// A copy with the order of the entries of `axes` reversed.
    public Tensor flip(long... axes) {
        return new Tensor(t.flip(axes));
    }

    public static Tensor cat(int axis, Tensor... parts) {
        var vector = new TensorVector(parts.length);
        for (int i = 0; i < parts.length; i++) {
            vector.put(i, parts[i].t);
        }
        return new Tensor(torch.cat(vector, axis));
    }

    // ---- arithmetic ----

    public Tensor add(Tensor other) {
        return new Tensor(t.add(other.t));
    }

    public Tensor add(double value) {
        return new Tensor(t.add(new Scalar(value)));
    }

    public Tensor sub(Tensor other) {
        return new Tensor(t.sub(other.t));
    }

    public Tensor mul(Tensor other) {
        return new Tensor(t.mul(other.t));
    }

    public Tensor mul(double value) {
        return new Tensor(t.mul(new Scalar(value)));
    }

    public Tensor div(Tensor other) {
        return new Tensor(t.div(other.t));
    }

    public Tensor div(double value) {
        return new Tensor(t.div(new Scalar(value)));
    }

    public Tensor add_(Tensor other) {
        t.add_(other.t);
        return this;
    }

    public Tensor add_(double value) {
        t.add_(new Scalar(value));
        return this;
    }

    public Tensor mul_(Tensor other) {
        t.mul_(other.t);
        return this;
    }

    public Tensor mul_(double value) {
        t.mul_(new Scalar(value));
        return this;
    }

    public Tensor zero_() {
        t.zero_();
        return this;
    }

    public Tensor copy_(Tensor source) {
        t.copy_(source.t);
        return this;
    }

    /// `this ← this + alpha · a b`; this `[m, n]`, a `[m, k]`, b `[k, n]`.
    public Tensor addmm_(Tensor a, Tensor b, double alpha) {
        t.addmm_(a.t, b.t, new Scalar(1.0), new Scalar(alpha));
        return this;
    }

    /// `this ← this + alpha · a ⊙ b`, entry by entry.
    public Tensor addcmul_(Tensor a, Tensor b, double alpha) {
        t.addcmul_(a.t, b.t, new Scalar(alpha));
        return this;
    }

    /// `this ← this + alpha · other`.
    public Tensor add_(Tensor other, double alpha) {
        t.add_(other.t, new Scalar(alpha));
        return this;
    }

    /// Which entries of a contiguous float32 tensor are 0: bit `i mod 64` of word `i / 64`, in the
    /// order of memory.
    public long[] zeros() {
        return FusedKernels.zeros(segment());
    }

    /// `this ← +0` where `where` has a 1, as of [#zeros]; contiguous float32.
    ///
    /// @throws IllegalArgumentException if `where` is of another size
    public Tensor clear_(long[] where) {
        FusedKernels.clear(segment(), where);
        return this;
    }

    /// Every entry moved towards zero by `threshold`, and to zero if it is nearer.
    public Tensor softThreshold(double threshold) {
        return new Tensor(torch.softshrink(t, new Scalar(threshold)));
    }

    /// The lesser of every entry and `most`.
    public Tensor clampMax(double most) {
        return new Tensor(t.clamp_max(new Scalar(most)));
    }

    public Tensor matmul(Tensor other) {
        return new Tensor(t.matmul(other.t));
    }

    public Tensor abs() {
        return new Tensor(t.abs());
    }

    public Tensor sqrt() {
        return new Tensor(t.sqrt());
    }

    public Tensor square() {
        return new Tensor(t.square());
    }

    public Tensor exp() {
        return new Tensor(t.exp());
    }

    public Tensor cos() {
        return new Tensor(t.cos());
    }

    public Tensor sin() {
        return new Tensor(t.sin());
    }

    public Tensor neg() {
        return new Tensor(t.neg());
    }

    public Tensor sum() {
        return new Tensor(t.sum());
    }

    public Tensor sum(int axis) {
        return new Tensor(t.sum(axis));
    }

    public Tensor mean() {
        return new Tensor(t.mean());
    }

    public Tensor max() {
        return new Tensor(t.max());
    }

    /// The diagonal of a matrix, copied into a vector.
    public Tensor diagonal() {
        return new Tensor(t.diagonal().contiguous());
    }

    /// Adds `values [n]` to the diagonal of this matrix `[n, n]`.
    public Tensor addToDiagonal_(Tensor values) {
        t.diagonal().add_(values.t);
        return this;
    }

    // ---- layers ----

    /// Rows of this table `[vocabulary, width]` for int64 `ids [time]`: `[time, width]`.
    public Tensor rows(Tensor ids) {
        return new Tensor(t.index_select(0, ids.t));
    }

    /// `x Wᵀ`: this `[…, in]`, weight `[out, in]`.
    public Tensor linear(Tensor weight) {
        return new Tensor(torch.linear(t, weight.t));
    }

    /// `x Wᵀ + b`: this `[…, in]`, weight `[out, in]`, bias `[out]`.
    public Tensor linear(Tensor weight, Tensor bias) {
        return new Tensor(torch.linear(t, weight.t, new TensorOptional(bias.t)));
    }

    /// [#linear] for few rows and a tall weight, as a head is: with bf16 products slice by slice,
    /// so that what comes out stays in the cache: two thirds of the time for the same result.
    ///
    /// @param weight `[out, in]`, for this `[time, in]`
    public Tensor tallLinear(Tensor weight) {
        long out = weight.size(0);
        boolean few = isPlain() && weight.isPlain() && size(0) <= SLICED_ROWS;
        if (!Engine.hasBf16Products() || !few || out <= SLICE) {
            return linear(weight);
        }
        Tensor y = empty(size(0), out);
        long slice = Math.ceilDiv(out, Math.ceilDiv(out, SLICE)); // no crumb is left to the last
        try (var _ = Scope.open()) {
            for (long first = 0; first < out; first += slice) {
                long rows = Math.min(slice, out - first);
                torch.mm_out(
                        y.narrow(1, first, rows).t,
                        t,
                        weight.narrow(0, first, rows).transpose(0, 1).t);
            }
        }
        return y;
    }

    /// Layer normalisation over the last axis.
    public Tensor layerNorm(Tensor weight, Tensor bias, double epsilon) {
        return new Tensor(
                torch.layer_norm(
                        t,
                        new long[] {size(-1)},
                        new TensorOptional(weight.t),
                        new TensorOptional(bias.t),
                        epsilon,
                        false));
    }

    /// Layer normalisation over the last axis without learned scale and shift.
    public Tensor layerNorm(double epsilon) {
        return new Tensor(
                torch.layer_norm(
                        t,
                        new long[] {size(-1)},
                        new TensorOptional(),
                        new TensorOptional(),
                        epsilon,
                        false));
    }

    /// Root-mean-square normalisation over the last axis: `x / √(mean x² + epsilon) · weight`.
    public Tensor rmsNorm(Tensor weight, double epsilon) {
        if (isPlain() && weight.isPlain()) {
            Tensor y = empty(shape());
            FusedKernels.rmsNorm(
                    segment(), weight.segment(), y.segment(), Math.toIntExact(size(-1)), epsilon);
            return y;
        }
        if (isRecorded(this, weight)) {
            return RecordedKernels.rmsNorm(Tape.recording(), this, weight, epsilon);
        }
        return new Tensor(
                torch.rms_norm(
                        t,
                        new long[] {size(-1)},
                        new TensorOptional(weight.t),
                        new DoubleOptional(epsilon)));
    }

    /// `silu(this) ∘ up`, the gate of a SwiGLU layer.
    public Tensor siluTimes(Tensor up) {
        if (isPlain() && up.isPlain()) {
            Tensor y = empty(shape());
            FusedKernels.siluTimes(segment(), up.segment(), y.segment());
            return y;
        }
        if (isRecorded(this, up)) {
            return RecordedKernels.siluTimes(Tape.recording(), this, up);
        }
        return silu().mul(up);
    }

    /// Rotary position embedding of heads `[heads, time, width]` with tables `[time, width]`, both
    /// halves of a row alike, the first half of `sin` negative: `x ∘ cos + swapped x ∘ sin`,
    /// swapped by halves of a row.
    public Tensor rotate(Tensor cos, Tensor sin) {
        long half = size(2) / 2;
        if (!needsGradient() && t.stride(2) == 1 && cos.isPlain() && sin.isPlain()) {
            Tensor y = empty(shape());
            int heads = Math.toIntExact(size(0));
            int time = Math.toIntExact(size(1));
            long reach = (heads - 1) * t.stride(0) + (time - 1) * t.stride(1) + size(2);
            FusedKernels.rotate(
                    bytes(4 * reach),
                    t.stride(0),
                    t.stride(1),
                    cos.segment(),
                    sin.segment(),
                    y.segment(),
                    heads,
                    time,
                    Math.toIntExact(size(2)));
            return y;
        }
        if (isRecorded(this, cos) && t.stride(2) == 1) {
            return RecordedKernels.rotate(Tape.recording(), this, cos, sin);
        }
        Tensor swapped = cat(2, narrow(2, half, half), narrow(2, 0, half));
        return mul(cos).add(swapped.mul(sin));
    }

    public Tensor relu() {
        return new Tensor(t.relu());
    }

    public Tensor silu() {
        return new Tensor(torch.silu(t));
    }

    /// `½ x (1 + erf(x/√2))`.
    public Tensor gelu() {
        return new Tensor(torch.gelu(t, "none"));
    }

    /// The tanh approximation of GELU (`gelu_new`, `gelu_pytorch_tanh`).
    public Tensor geluTanh() {
        return new Tensor(torch.gelu(t, "tanh"));
    }

    public Tensor tanh() {
        return new Tensor(t.tanh());
    }

    public Tensor softmax(int axis) {
        return new Tensor(torch.softmax(t, axis));
    }

    /// `log Σ exp` over the last axis.
    public Tensor logSumExp() {
        return new Tensor(torch.logsumexp(t, -1));
    }

    /// Per row the entry of the last axis that `ids [rows]` names: this `[rows, n]` → `[rows]`.
    public Tensor pick(Tensor ids) {
        return new Tensor(t.gather(-1, ids.t.unsqueeze(-1)).squeeze(-1));
    }

    /// Causal attention: query `[heads, time, width]`, key and value `[kv heads, seen, width]` with
    /// heads a multiple of kv heads; the queries are the last `time` of the `seen` positions.
    ///
    /// @param scale factor on query · key
    public static Tensor causalAttention(Tensor query, Tensor key, Tensor value, double scale) {
        boolean gradient = query.needsGradient() || key.needsGradient() || value.needsGradient();
        boolean whole = query.size(1) == key.size(1);
        boolean isShort = query.size(1) <= SHORT_SEQUENCE;
        if (!whole || isShort && !gradient) {
            return shortCausalAttention(query, key, value, scale);
        }
        if (isShort && Tape.recording() != null) {
            return RecordedKernels.causalAttention(Tape.recording(), query, key, value, scale);
        }
        boolean grouped = query.size(0) != key.size(0);
        return new Tensor(
                torch.scaled_dot_product_attention(
                                query.t.unsqueeze(0),
                                key.t.unsqueeze(0),
                                value.t.unsqueeze(0),
                                new TensorOptional(),
                                0.0,
                                true,
                                new DoubleOptional(scale),
                                grouped)
                        .squeeze(0));
    }

    /// The same in strips of queries against the keys they see: up to some hundred tokens a third
    /// faster than torch's blocked kernel, whose blocks are too small to multiply well.
    private static Tensor shortCausalAttention(
            Tensor query, Tensor key, Tensor value, double scale) {
        long groups = key.size(0);
        long shared = query.size(0) / groups;
        long time = query.size(1);
        long before = key.size(1) - time;
        long width = query.size(2);
        Tensor y = empty(query.size(0), time, value.size(2));
        long strip = Math.min(STRIP, time);
        var future = // [strip, strip], -∞ above the diagonal
                new Tensor(full(Double.NEGATIVE_INFINITY, strip, strip).t.triu(1));
        for (long from = 0; from < time; from += STRIP) {
            long rows = Math.min(STRIP, time - from);
            long seen = before + from + rows;
            try (var _ = Scope.open()) {
                Tensor q = // [groups, shared · rows, width]
                        query.narrow(1, from, rows).reshape(groups, shared * rows, width);
                Tensor k = key.narrow(1, 0, seen); // [groups, seen, width]
                var scores = new Tensor(q.t.matmul(k.t.transpose(1, 2))).mul_(scale);
                scores.reshape(groups, shared, rows, seen)
                        .narrow(3, before + from, rows)
                        .add_(future.narrow(0, 0, rows).narrow(1, 0, rows));
                Tensor weights = scores.softmax(-1); // [groups, shared · rows, seen]
                y.narrow(1, from, rows)
                        .copy_(
                                weights.matmul(value.narrow(1, 0, seen))
                                        .reshape(groups * shared, rows, value.size(2)));
            }
        }
        return y;
    }

    /// Attention with an additive mask `[time, time]` or `[heads, time, time]` (0 where seen, -∞
    /// where not); shapes as [#causalAttention].
    public static Tensor maskedAttention(
            Tensor query, Tensor key, Tensor value, Tensor mask, double scale) {
        boolean grouped = query.size(0) != key.size(0);
        var broadcast = mask.rank() == 2 ? mask.t.unsqueeze(0).unsqueeze(0) : mask.t.unsqueeze(0);
        return new Tensor(
                torch.scaled_dot_product_attention(
                                query.t.unsqueeze(0),
                                key.t.unsqueeze(0),
                                value.t.unsqueeze(0),
                                new TensorOptional(broadcast),
                                0.0,
                                false,
                                new DoubleOptional(scale),
                                grouped)
                        .squeeze(0));
    }

    // ---- dtypes ----

    public Tensor toFloat32() {
        return new Tensor(t.to(ScalarType.Float));
    }

    public Tensor toBFloat16() {
        return new Tensor(t.to(ScalarType.BFloat16));
    }

    public Tensor toFloat64() {
        return new Tensor(t.to(ScalarType.Double));
    }

    // ---- linear algebra ----

    /// Adds `xᵀ x` to the upper triangle of `gram [columns, columns]`, `x [rows, columns]`: half
    /// the work of a matrix product. With bf16 products ([Engine#bf16Products]) the whole product
    /// is faster still, and goes through `scratch`.
    ///
    /// @param scratch as large as `gram`; what it holds is lost
    public static void addGram_(Tensor gram, Tensor x, Tensor scratch) {
        if (Engine.hasBf16Products()) {
            // Not addmm_: adding inside the product takes another path, six times as slow.
            addProduct_(gram, x, x, scratch);
            return;
        }
        int columns = Math.toIntExact(x.size(1));
        int rows = Math.toIntExact(x.size(0));
        openblas.cblas_ssyrk(
                openblas.CblasRowMajor,
                openblas.CblasUpper,
                openblas.CblasTrans,
                columns,
                rows,
                1f,
                x.floats(),
                columns,
                1f,
                gram.floats(),
                columns);
    }

    /// Adds `yᵀ x` to `sum [columns, columns]`, both `[rows, columns]`.
    ///
    /// @param scratch as large as `sum`; what it holds is lost
    public static void addProduct_(Tensor sum, Tensor y, Tensor x, Tensor scratch) {
        torch.mm_out(scratch.t, y.t.transpose(0, 1), x.t);
        sum.t.add_(scratch.t);
    }

    /// Copies the upper triangle of this square matrix onto its lower one.
    public Tensor mirrorUpper_() {
        FusedKernels.mirrorUpper(segment(), Math.toIntExact(size(0)));
        return this;
    }

    /// Lower Cholesky factor of a symmetric positive definite matrix (float32 or float64).
    ///
    /// @throws NotPositiveDefiniteException if there is none
    public Tensor cholesky() {
        var result = torch.linalg_cholesky_ex(t, false, false);
        long info = result.get1().item_long();
        if (info != 0) {
            throw new NotPositiveDefiniteException(info);
        }
        return new Tensor(result.get0());
    }

    /// Replaces a symmetric positive definite float64 matrix `A = L Lᵀ` by `L⁻¹`, lower triangular
    /// with zeros above; a third of the work of inverting `A`.
    ///
    /// @throws NotPositiveDefiniteException if there is no such `L`; this is garbage then
    /// @throws IllegalStateException if this is not a contiguous square float64 matrix
    public Tensor inverseCholesky_() {
        if (t.scalar_type().intern() != ScalarType.Double
                || !t.is_contiguous()
                || t.dim() != 2
                || t.size(0) != t.size(1)) {
            throw new IllegalStateException("not a contiguous square float64 matrix: " + this);
        }
        int n = Math.toIntExact(t.size(0));
        var values = new DoublePointer(t.data_ptr());
        // A row-major lower triangle is a column-major upper one.
        byte triangle = 'U';
        int info = openblas.LAPACKE_dpotrf(openblas.LAPACK_COL_MAJOR, triangle, n, values, n);
        if (info > 0) {
            throw new NotPositiveDefiniteException(info);
        }
        if (info == 0) {
            byte diagonal = 'N'; // not all ones
            info =
                    openblas.LAPACKE_dtrtri(
                            openblas.LAPACK_COL_MAJOR, triangle, diagonal, n, values, n);
        }
        if (info != 0) {
            throw new ArithmeticException("LAPACK refused the matrix: info %d".formatted(info));
        }
        t.tril_();
        return this;
    }

    /// Inverse of `A` where this is its lower Cholesky factor.
    public Tensor choleskyInverse() {
        return new Tensor(torch.cholesky_inverse(t, false));
    }

    // ---- gradients ----

    /// Marks a leaf: what is computed from it is recorded, for [Tape#gradients] to be asked of.
    public Tensor requireGradient() {
        t.set_requires_grad(true);
        return this;
    }

    /// Not an id: a row of [#crossEntropy] that does not count.
    public static final int NO_ID = -100;

    /// Mean over the rows of `-log softmax(this)[id]`: this `[rows, n]`, one of `ids [rows]` a row,
    /// or [#NO_ID].
    public Tensor crossEntropy(Tensor ids) {
        return new Tensor(torch.cross_entropy_loss(t, ids.t));
    }

    /// What [#crossEntropy] is, and its gradient with respect to this, `[rows, n]`.
    ///
    /// @param loss NaN if no row counts
    public record CrossEntropy(double loss, Tensor gradient) {}

    /// As [#crossEntropy], with the gradient.
    public CrossEntropy crossEntropyAndGradient(int[] ids) {
        Tensor logits = detach().contiguous();
        Tensor gradient = empty(shape());
        double loss =
                FusedKernels.crossEntropy(
                        logits.segment(), ids, gradient.segment(), Math.toIntExact(size(1)));
        return new CrossEntropy(loss, gradient);
    }

    /// The same values in memory of their own, contiguous.
    public Tensor copy() {
        return empty(shape()).copy_(this);
    }

    /// Divided by the mean, if that is above 0.
    public Tensor relative() {
        double mean = mean().item();
        return mean > 0 ? mul(1 / mean) : this;
    }

    /// The same tensor, several of whose parts go ways of their own: the gradients of all parts add
    /// up before they go back together. Without, what made this would be gone back through once
    /// for each of the ways.
    public Tensor branching() {
        var tape = Tape.recording();
        return tape == null || !needsGradient() || t.is_leaf()
                ? this
                : tape.enter(detach(), List.of(this), List::of);
    }

    /// The same values, cut off from the computation that made them.
    public Tensor detach() {
        return new Tensor(t.detach());
    }

    /// Frees the memory now, not at the end of the scope.
    @Override
    public void close() {
        t.close();
    }

    @Override
    public String toString() {
        return "Tensor" + Arrays.toString(shape());
    }

    /// Whether operations on this tensor must be recorded for [Tape#gradients].
    boolean needsGradient() {
        return t.requires_grad() && GradMode.is_enabled();
    }

    /// Whether an operation on two float32 tensors is for [RecordedKernels].
    private static boolean isRecorded(Tensor a, Tensor b) {
        return Tape.recording() != null
                && (a.needsGradient() || b.needsGradient())
                && a.t.scalar_type().intern() == ScalarType.Float
                && b.t.scalar_type().intern() == ScalarType.Float;
    }

    /// Whether [FusedKernels] may read it.
    private boolean isPlain() {
        return !needsGradient()
                && t.is_contiguous()
                && t.scalar_type().intern() == ScalarType.Float;
    }

    private FloatPointer floats() {
        if (t.scalar_type().intern() != ScalarType.Float || !t.is_contiguous()) {
            throw new IllegalStateException(
                    "not a contiguous float32 tensor: " + Arrays.toString(shape()));
        }
        return new FloatPointer(t.data_ptr());
    }

    @SuppressWarnings("restricted") // the tensor owns exactly these bytes
    private MemorySegment bytes(long size) {
        return MemorySegment.ofAddress(t.data_ptr().address()).reinterpret(size);
    }

    private static TensorOptions options(ScalarType type) {
        return new TensorOptions(type);
    }

    private static long elements(long[] shape) {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    private static long[] strides(long[] shape) {
        long[] strides = new long[shape.length];
        long stride = 1;
        for (int i = shape.length - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= shape[i];
        }
        return strides;
    }

    /// A JavaCPP pointer to memory that Java owns.
    private static final class Address extends Pointer {
        Address(long address) {
            this.address = address;
        }
    }
}
