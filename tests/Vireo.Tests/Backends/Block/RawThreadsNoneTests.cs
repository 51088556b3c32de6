using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block;

public sealed class RawThreadsNoneTests() : RawDiskTests(EngineChoice.Threads, CacheMode.None);
