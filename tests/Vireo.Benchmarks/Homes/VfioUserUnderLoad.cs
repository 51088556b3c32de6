using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Homes.VfioUser;

namespace Vireo.Benchmarks.Homes;

/// <summary>The vfio-user home, and our PCI driver before it.</summary>
internal sealed class VfioUserUnderLoad : SocketUnderLoad
{
    /// <summary>MSI-X vector of the queue; 0 is that of configuration changes.</summary>
    private const ushort QueueVector = 1;

    private readonly VfioUserClient _client;
    private readonly PciDriver _driver;

    /// <summary>Whether a kick is a message, as where the client cannot route a register's writes past itself.</summary>
    private readonly bool _kicksByMessage;

    public VfioUserUnderLoad(bool kicksByMessage)
    {
        _kicksByMessage = kicksByMessage;
        var home = VfioUserHome.Listen(SocketPath, Device, Loops);
        Serve(home, home.Run, home.Stop);
        _client = new(SocketPath);
        MemoryRegion region = ((MappedMemory)Memory.Memory).Regions[0];
        _client.Map(region.Address.Value, region.LengthBytes, region.Backing!.File, region.Backing.OffsetBytes);
        _client.WireVector(QueueVector, Call);
        _client.TakeKick();
        _driver = new(_client);
        _driver.EnableFunction(useMsix: true);
        Begin(_driver.Negotiate(FeatureSet.Of(CoreFeature.EventIndex, CoreFeature.AccessPlatform)));
        if (!_driver.TryMapQueue(0, QueueVector))
        {
            throw new InvalidOperationException($"the function takes no vector {QueueVector}");
        }

        _driver.EnableQueue(0, Areas);
        _driver.Start();
    }

    public override void Kick()
    {
        if (_kicksByMessage)
        {
            _driver.Kick(0);
        }
        else
        {
            _client.Kick();
        }
    }

    protected override void Disconnect()
    {
        _client.Dispose();
    }
}
