using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Mmio;

namespace Vireo.Tests.Core.Transports.Mmio;

/// <summary>What only MMIO has.</summary>
public sealed class MmioRegistersTests
{
    private static readonly QueueAreas Areas = new(8, new(0x1000), new(0x2000), new(0x3000));

    private readonly ProbeHost _host = new();

    [Fact]
    [Clause("mmio.dev.001", "mmio.dev.002")]
    public void Identity_OfADevice_Reads()
    {
        using ProbeDevice device = new(8) { TypeValue = DeviceType.Fs };
        MmioRegisters registers = new(device, _host, new() { Vendor = 0x1234_5678 });

        uint[] identity = [Read(registers, 0), Read(registers, 4), Read(registers, 8), Read(registers, 12)];
        Assert.Equal([0x7472_6976u, 2u, 26u, 0x1234_5678u], identity);
    }

    [Fact]
    [Clause("mmio.dev.003", "mmio.dev.004")]
    public void InterruptStatus_EventsThatHappened_StayUntilAcknowledged()
    {
        using ProbeDevice device = new(8);
        MmioRegisters registers = Run(device);
        Assert.Equal(0u, Read(registers, 0x60));
        device.Started[0].Call!.Notify();
        device.Host.NotifyConfigChanged();
        Assert.Equal(3u, Read(registers, 0x60));
        Assert.Equal(3u, Read(registers, 0x60));

        Write(registers, 0x64, 1);
        Assert.Equal(2u, Read(registers, 0x60));
        Assert.True(_host.Line);
        Write(registers, 0x64, 0xffff_ffff);
        Assert.Equal(0u, Read(registers, 0x60));
        Assert.False(_host.Line);
    }

    [Fact]
    [Clause("mmio.dev.007")]
    public void QueueReady_WrittenZero_StopsTheQueue()
    {
        using ProbeDevice device = new(8);
        MmioRegisters registers = Run(device);
        MmioDriver driver = new(new RegistersAccess(registers));
        driver.DisableQueue(0);
        Assert.Empty(device.Running);
        Assert.False(driver.IsQueueEnabled(0));

        driver.EnableQueue(0, Areas with { Size = 4 });
        Assert.Equal((Areas with { Size = 4 }, QueueState.Fresh), (device.Started[^1].Areas, device.Started[^1].State));
    }

    [Fact]
    public void QueueRegisters_WhileReady_StandFast()
    {
        using ProbeDevice device = new(8) { StateAtStop = new QueueState(1, 1) };
        MmioRegisters registers = Run(device);
        Write(registers, 0x30, 0);
        foreach (uint register in (uint[])[0x38, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4])
        {
            Write(registers, register, 2);
        }

        registers.Attach(NoMemory.Create());
        Assert.Equal(Areas, device.Started[^1].Areas);
    }

    [Fact]
    public void SharedMemory_ByIdAndPlace_IsFoundAndOthersAreNot()
    {
        using ProbeDevice device = new(8) { Regions = [new(2, 0x1_2345_6000), new(3, 0x1000)] };
        MmioOptions options = new()
        {
            SharedRegionAddresses = new Dictionary<byte, ulong> { [2] = 0x40_0000_0000, [9] = 1 },
        };
        MmioDriver driver = new(new RegistersAccess(new(device, _host, options)));

        Assert.True(driver.TryFindSharedRegion(2, out ulong address, out ulong length));
        Assert.Equal((0x40_0000_0000ul, 0x1_2345_6000ul), (address, length));
        Assert.False(driver.TryFindSharedRegion(3, out address, out length));
        Assert.Equal((ulong.MaxValue, ulong.MaxValue), (address, length));
        Assert.False(driver.TryFindSharedRegion(9, out _, out _));
    }

    [Theory]
    [InlineData(0x70, 1)]
    [InlineData(0x70, 2)]
    [InlineData(0x70, 8)]
    [InlineData(0x72, 2)]
    [InlineData(0x71, 4)]
    [InlineData(0x6e, 4)]
    public void ControlRegister_WithAnotherWidth_IsNotThere(ulong offset, int width)
    {
        using ProbeDevice device = new(8);
        MmioRegisters registers = new(device, _host);
        byte[] bytes = [.. Enumerable.Repeat((byte)1, width)];
        registers.Write(offset, bytes);
        Assert.Equal(0u, Read(registers, 0x70));

        Write(registers, 0x70, 1);
        registers.Read(offset, bytes);
        Assert.All(bytes, static value => Assert.Equal(0, value));
    }

    [Fact]
    public void Status_HighBits_AreNotAReset()
    {
        using ProbeDevice device = new(8);
        MmioRegisters registers = Run(device);
        Write(registers, 0x70, 0x100);

        Assert.Equal(0xfu, Read(registers, 0x70));
        Assert.Equal([0], device.Running);
    }

    [Fact]
    public void Driver_WithoutADevice_Complains()
    {
        Assert.Throws<DeviceException>(() => new MmioDriver(new NothingThere()));
    }

    private static uint Read(MmioRegisters registers, ulong offset)
    {
        byte[] bytes = new byte[4];
        registers.Read(offset, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    private static void Write(MmioRegisters registers, ulong offset, uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        registers.Write(offset, bytes);
    }

    private MmioRegisters Run(ProbeDevice device)
    {
        MmioRegisters registers = new(device, _host);
        registers.Attach(NoMemory.Create());
        MmioDriver driver = new(new RegistersAccess(registers));
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();
        return registers;
    }

    private sealed class NothingThere : IMmioAccess
    {
        public void Read(ulong offset, Span<byte> destination) => destination.Fill(0xff);

        public void Write(ulong offset, ReadOnlySpan<byte> source) { }
    }
}
