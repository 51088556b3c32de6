using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports;
using Vireo.Core.Transports.Pci;

namespace Vireo.Tests.Core.Transports.Pci;

/// <summary>The suite of all transports, over PCI with its interrupt line.</summary>
public sealed class PciTransportTests : RegisterTransportTests
{
    private PciFunction _function = null!;
    private FunctionAccess _access = null!;

    private protected override TransportDriver Attach(ProbeDevice device)
    {
        _function = new(device, Host);
        _function.Attach(NoMemory.Create());
        _access = new(_function);
        PciDriver driver = new(_access);
        driver.EnableFunction(useMsix: false);
        return driver;
    }

    private protected override void AttachMemory(GuestMemory memory) => _function.Attach(memory);

    private protected override uint TakeInterrupts() => (uint)_access.Bar(0, 0x1000, 1);

    private protected override bool IsQueueEnabled(TransportDriver driver, int index) =>
        ((PciDriver)driver).IsQueueEnabled(index);

    private protected override void EnableBlindly(int index, QueueAreas areas)
    {
        _access.Bar(0, 22, 2, (ulong)index);
        _access.Bar(0, 24, 2, areas.Size);
        _access.Bar(0, 32, 8, areas.Descriptors.Value);
        _access.Bar(0, 40, 8, areas.Driver.Value);
        _access.Bar(0, 48, 8, areas.Device.Value);
        _access.Bar(0, 28, 2, 1);
        _access.Bar(0, 0x3000 + 4 * (ulong)index, 2, (ulong)index);
    }

    private protected override bool IsQueueResetting(TransportDriver driver, int index)
    {
        _access.Bar(0, 22, 2, (ulong)index);
        return _access.Bar(0, 58, 2) != 0;
    }

    private protected override uint Generation(TransportDriver driver) => (uint)_access.Bar(0, 21, 1);

    private protected override void WriteFeatures(TransportDriver driver, FeatureSet features)
    {
        for (uint word = 0; word < 4; word++)
        {
            _access.Bar(0, 8, 4, word);
            _access.Bar(0, 12, 4, features.Word(word));
        }
    }
}
