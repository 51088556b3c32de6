using System.Buffers.Binary;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports;
using Vireo.Core.Transports.Mmio;

namespace Vireo.Tests.Core.Transports.Mmio;

/// <summary>The suite of all transports, over MMIO.</summary>
public sealed class MmioTransportTests : RegisterTransportTests
{
    private MmioRegisters _registers = null!;

    private protected override TransportDriver Attach(ProbeDevice device)
    {
        _registers = new(device, Host);
        _registers.Attach(NoMemory.Create());
        return new MmioDriver(new RegistersAccess(_registers));
    }

    private protected override void AttachMemory(GuestMemory memory) => _registers.Attach(memory);

    private protected override uint TakeInterrupts()
    {
        uint events = Read(0x60);
        Write(0x64, events);
        return events;
    }

    private protected override bool IsQueueEnabled(TransportDriver driver, int index) =>
        ((MmioDriver)driver).IsQueueEnabled(index);

    private protected override void EnableBlindly(int index, QueueAreas areas)
    {
        Write(0x30, (uint)index);
        Write(0x38, areas.Size);
        Write64(0x80, areas.Descriptors.Value);
        Write64(0x90, areas.Driver.Value);
        Write64(0xa0, areas.Device.Value);
        Write(0x44, 1);
        Write(0x50, (uint)index);
    }

    private protected override bool IsQueueResetting(TransportDriver driver, int index)
    {
        Write(0x30, (uint)index);
        return Read(0xc0) != 0;
    }

    private protected override uint Generation(TransportDriver driver) => Read(0xfc);

    private protected override void WriteFeatures(TransportDriver driver, FeatureSet features)
    {
        for (uint word = 0; word < 4; word++)
        {
            Write(0x24, word);
            Write(0x20, features.Word(word));
        }
    }

    private void Write64(ulong offset, ulong value)
    {
        Write(offset, unchecked((uint)value));
        Write(offset + 4, (uint)(value >> 32));
    }

    private uint Read(ulong offset)
    {
        byte[] bytes = new byte[4];
        _registers.Read(offset, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    private void Write(ulong offset, uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _registers.Write(offset, bytes);
    }
}
