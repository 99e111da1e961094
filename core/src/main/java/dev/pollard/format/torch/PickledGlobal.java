package dev.pollard.format.torch;

import dev.pollard.format.DType;
import java.util.Map;
import java.util.Optional;

/// The only names a pickle may mention. A name stands for one of these values; it is never looked
/// up anywhere else, and nothing behind it ever runs.
sealed interface PickledGlobal {
    /// What REDUCE may apply.
    enum Callable implements PickledGlobal {
        ORDERED_DICT,
        REBUILD_TENSOR_V2,
        REBUILD_TENSOR_V3,
        REBUILD_PARAMETER
    }

    /// `torch.FloatStorage` and its kin: a run of numbers of one dtype.
    record TypedStorage(DType dtype) implements PickledGlobal {}

    /// `torch.UntypedStorage`: a run of bytes; the tensor brings the dtype.
    record UntypedStorage() implements PickledGlobal {}

    /// `torch.float8_e4m3fn` and its kin, as newer tensors name their dtype.
    record NamedDType(DType dtype) implements PickledGlobal {}

    Map<String, PickledGlobal> KNOWN =
            Map.ofEntries(
                    Map.entry("collections.OrderedDict", Callable.ORDERED_DICT),
                    Map.entry("torch._utils._rebuild_tensor_v2", Callable.REBUILD_TENSOR_V2),
                    Map.entry("torch._utils._rebuild_tensor_v3", Callable.REBUILD_TENSOR_V3),
                    Map.entry("torch._utils._rebuild_parameter", Callable.REBUILD_PARAMETER),
                    Map.entry("torch.UntypedStorage", new UntypedStorage()),
                    Map.entry("torch.storage.UntypedStorage", new UntypedStorage()),
                    Map.entry("torch.BoolStorage", new TypedStorage(DType.BOOL)),
                    Map.entry("torch.ByteStorage", new TypedStorage(DType.U8)),
                    Map.entry("torch.CharStorage", new TypedStorage(DType.I8)),
                    Map.entry("torch.ShortStorage", new TypedStorage(DType.I16)),
                    Map.entry("torch.IntStorage", new TypedStorage(DType.I32)),
                    Map.entry("torch.LongStorage", new TypedStorage(DType.I64)),
                    Map.entry("torch.HalfStorage", new TypedStorage(DType.F16)),
                    Map.entry("torch.BFloat16Storage", new TypedStorage(DType.BF16)),
                    Map.entry("torch.FloatStorage", new TypedStorage(DType.F32)),
                    Map.entry("torch.DoubleStorage", new TypedStorage(DType.F64)),
                    Map.entry("torch.ComplexFloatStorage", new TypedStorage(DType.C64)),
                    Map.entry("torch.bool", new NamedDType(DType.BOOL)),
                    Map.entry("torch.uint8", new NamedDType(DType.U8)),
                    Map.entry("torch.int8", new NamedDType(DType.I8)),
                    Map.entry("torch.uint16", new NamedDType(DType.U16)),
                    Map.entry("torch.int16", new NamedDType(DType.I16)),
                    Map.entry("torch.uint32", new NamedDType(DType.U32)),
                    Map.entry("torch.int32", new NamedDType(DType.I32)),
                    Map.entry("torch.uint64", new NamedDType(DType.U64)),
                    Map.entry("torch.int64", new NamedDType(DType.I64)),
                    Map.entry("torch.float16", new NamedDType(DType.F16)),
                    Map.entry("torch.bfloat16", new NamedDType(DType.BF16)),
                    Map.entry("torch.float32", new NamedDType(DType.F32)),
                    Map.entry("torch.float64", new NamedDType(DType.F64)),
                    Map.entry("torch.complex64", new NamedDType(DType.C64)),
                    Map.entry("torch.float8_e4m3fn", new NamedDType(DType.F8_E4M3)),
                    Map.entry("torch.float8_e5m2", new NamedDType(DType.F8_E5M2)),
                    Map.entry("torch.float8_e4m3fnuz", new NamedDType(DType.F8_E4M3FNUZ)),
                    Map.entry("torch.float8_e5m2fnuz", new NamedDType(DType.F8_E5M2FNUZ)),
                    Map.entry("torch.float8_e8m0fnu", new NamedDType(DType.F8_E8M0)));

    static Optional<PickledGlobal> named(String qualifiedName) {
        return Optional.ofNullable(KNOWN.get(qualifiedName));
    }
}
