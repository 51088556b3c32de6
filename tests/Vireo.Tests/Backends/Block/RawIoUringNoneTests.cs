using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block;

public sealed class RawIoUringNoneTests() : RawDiskTests(EngineChoice.IoUring, CacheMode.None);
