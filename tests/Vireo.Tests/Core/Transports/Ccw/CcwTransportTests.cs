using System.Buffers.Binary;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Core.Transports;
using Vireo.Core.Transports.Ccw;

namespace Vireo.Tests.Core.Transports.Ccw;

/// <summary>The suite of all transports, over channel I/O with classic indicators.</summary>
public sealed class CcwTransportTests : TransportTests, IDisposable
{
    private readonly List<ChannelMachine> _machines = [];
    private CcwDriver _driver = null!;

    private ChannelMachine Machine => _machines[^1];

    /// <summary>Indicators lie in the driver's memory: a reset takes back nothing that was said there.</summary>
    private protected override uint PendingAfterReset => 1;

    public void Dispose() => _machines.ForEach(static machine => machine.Dispose());

    private protected override TransportDriver Attach(ProbeDevice device)
    {
        _machines.Add(new(device, Host));
        _driver = new(Machine, Machine.Memory, scratch: 0x1000);
        _driver.UseClassicIndicators();
        return _driver;
    }

    private protected override void AttachMemory(GuestMemory memory) => Machine.Device.Attach(memory);

    private protected override uint TakeInterrupts()
    {
        bool isInterrupted = Host.SubchannelInterrupts > 0;
        Host.SubchannelInterrupts = 0;
        uint events = (_driver.TakeQueueIndicators() != 0 ? 1u : 0) | (_driver.TakeConfigIndicators() != 0 ? 2u : 0);
        Assert.Equal(events != 0, isInterrupted);
        return events;
    }

    private protected override bool IsQueueEnabled(TransportDriver driver, int index) =>
        Machine.Device.Lifecycle.SetupOf(index) is not null;

    private protected override void WriteFeatures(TransportDriver driver, FeatureSet features)
    {
        for (byte word = 0; word < 4; word++)
        {
            byte[] bytes = [0, 0, 0, 0, word];
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, features.Word(word));
            Assert.True(Machine.Run(0x11, bytes).IsGood);
        }
    }
}
