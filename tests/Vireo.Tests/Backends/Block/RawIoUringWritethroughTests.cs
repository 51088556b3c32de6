using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block;

public sealed class RawIoUringWritethroughTests() : RawDiskTests(EngineChoice.IoUring, CacheMode.Writethrough);
