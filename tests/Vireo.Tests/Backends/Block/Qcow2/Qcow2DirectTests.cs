using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block.Qcow2;

public sealed class Qcow2DirectTests()
    : Qcow2DiskTests(EngineChoice.IoUring, CacheMode.None, new() { LengthBytes = 0, ClusterBytes = 4096 });
