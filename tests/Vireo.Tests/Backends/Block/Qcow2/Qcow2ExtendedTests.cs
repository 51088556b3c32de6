using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block.Qcow2;

public sealed class Qcow2ExtendedTests()
    : Qcow2DiskTests(
        EngineChoice.IoUring,
        CacheMode.Writeback,
        new()
        {
            LengthBytes = 0,
            HasExtendedL2 = true,
            HasLazyRefcounts = true,
            RefcountBits = 1,
        }
    );
