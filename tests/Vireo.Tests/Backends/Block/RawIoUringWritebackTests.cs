using Vireo.Backends.Block.Raw;

namespace Vireo.Tests.Backends.Block;

public sealed class RawIoUringWritebackTests() : RawDiskTests(EngineChoice.IoUring, CacheMode.Writeback);
