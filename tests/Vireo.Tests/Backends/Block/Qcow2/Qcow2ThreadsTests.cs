using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block.Qcow2;

public sealed class Qcow2ThreadsTests()
    : Qcow2DiskTests(
        EngineChoice.Threads,
        CacheMode.Writethrough,
        new()
        {
            LengthBytes = 0,
            ClusterBytes = 512,
            Version = 2,
        }
    );
