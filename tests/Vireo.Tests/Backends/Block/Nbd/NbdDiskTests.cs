using Vireo.Backends.Block.Nbd;
using Vireo.Linux.Events;

namespace Vireo.Tests.Backends.Block.Nbd;

/// <summary>An export on a loop, whichever form the server's answers have.</summary>
public abstract class NbdDiskTests : BlockBackendTests, IDisposable
{
    private FakeNbdServer? _server;

    public void Dispose()
    {
        _server?.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected abstract FakeNbdServer MakeServer(long lengthBytes);

    private protected override ChannelBench Open(long sectors = 16384)
    {
        _server = MakeServer(sectors * 512).Start();
        var loops = EventLoopGroup.Start(1);
        try
        {
            var disk = NbdDisk.Open(_server.Address, loops);
            return new(disk, loops[0], disk, loops);
        }
        catch
        {
            loops.Dispose();
            throw;
        }
    }
}
