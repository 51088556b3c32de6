using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block;

public sealed class RawThreadsDirectsyncTests() : RawDiskTests(EngineChoice.Threads, CacheMode.Directsync);
