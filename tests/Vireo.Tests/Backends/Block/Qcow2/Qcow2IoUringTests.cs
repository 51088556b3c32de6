using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block.Qcow2;

public sealed class Qcow2IoUringTests()
    : Qcow2DiskTests(EngineChoice.IoUring, CacheMode.Writeback, new() { LengthBytes = 0 });
