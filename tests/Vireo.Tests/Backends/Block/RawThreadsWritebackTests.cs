using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block;

public sealed class RawThreadsWritebackTests() : RawDiskTests(EngineChoice.Threads, CacheMode.Writeback);
