using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;

namespace Vireo.Tests.Core.Transports.Pci;

/// <summary>What only PCI has: configuration space, capabilities, vectors, the window.</summary>
public sealed class PciFunctionTests
{
    private const byte Common = 1;
    private const byte Notify = 2;
    private const byte Isr = 3;
    private const byte DeviceConfig = 4;
    private const byte Window = 5;
    private const byte SharedMemory = 8;
    private const byte VendorData = 9;

    private static readonly QueueAreas Areas = new(8, new(0x1000), new(0x2000), new(0x3000));

    private readonly ProbeHost _host = new();

    [Theory]
    [Clause("pci.dev.003", "pci.dev.004", "pci.dev.006", "pci.dev.007", "pci.dev.008")]
    [InlineData(DeviceType.Block, 0x1042, 0x0100)]
    [InlineData(DeviceType.Entropy, 0x1044, 0xff00)]
    [InlineData(DeviceType.Net, 0x1041, 0x0200)]
    [InlineData(DeviceType.Media, 0x1070, 0xff00)]
    public void Header_OfAType_NamesIt(DeviceType type, uint id, uint classCode)
    {
        using ProbeDevice device = new(8) { TypeValue = type };
        FunctionAccess access = new(new(device, _host));

        Assert.Equal(0x1af4u | id << 16, access.Config(0));
        Assert.Equal(classCode << 16 | 1, access.Config(8));
        Assert.Equal(0x1af4u | id << 16, access.Config(0x2c));
        Assert.Equal(0u, access.Config(0x0e, 1));
        Assert.Equal(1u, access.Config(0x3d, 1));
    }

    [Fact]
    [Clause("pci.dev.005")]
    public void Header_SubsystemOfTheEnvironment_ShowsIt()
    {
        using ProbeDevice device = new(8);
        FunctionAccess access = new(new(device, _host, new() { SubsystemVendor = 0x1234, Subsystem = 0x5678 }));

        Assert.Equal(0x5678_1234u, access.Config(0x2c));
    }

    [Fact]
    [Clause("pci.dev.001")]
    public void Bars_WrittenWithOnes_ShowTheirSizes()
    {
        using ProbeDevice device = new(8) { Regions = [new(1, 1ul << 33)] };
        PciFunction function = new(device, _host);
        FunctionAccess access = new(function);
        for (ulong offset = 0x10; offset < 0x28; offset += 4)
        {
            access.Config(offset, 4, uint.MaxValue);
        }

        Assert.Equal(unchecked((uint)-0x4000), access.Config(0x10));
        Assert.Equal(unchecked((uint)-0x2000), access.Config(0x14));
        Assert.Equal(0u, access.Config(0x18));
        Assert.Equal(0u, access.Config(0x1c));
        Assert.Equal(0b1100u, access.Config(0x20));
        Assert.Equal(0xffff_fffeu, access.Config(0x24));
        Assert.Equal(
            [0x4000, 0x2000, 0, 0, 1ul << 33, 0],
            function.Bars.ToArray().Select(static bar => bar.LengthBytes)
        );
        access.Config(0x10, 4, 0xfeb0_0000);
        Assert.Equal(0xfeb0_0000u, access.Config(0x10));
    }

    [Fact]
    [Clause("pci.dev.001")]
    public void Header_ReadOnlyFields_CannotBeWritten()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        byte[] before = new byte[256];
        function.ReadConfig(0, before);
        FunctionAccess access = new(function);
        access.Config(0, 4, uint.MaxValue);
        access.Config(6, 2, 0xffff);
        access.Config(8, 4, uint.MaxValue);
        access.Config(0x2c, 4, uint.MaxValue);
        access.Config(0x34, 4, uint.MaxValue);
        byte[] after = new byte[256];
        function.ReadConfig(0, after);

        Assert.Equal(before, after);
    }

    [Fact]
    [Clause(
        "pci.dev.011",
        "pci.dev.014",
        "pci.dev.015",
        "pci.dev.030",
        "pci.dev.031",
        "pci.dev.036",
        "pci.dev.039",
        "pci.dev.044",
        "pci.dev.045",
        "pci.dev.051"
    )]
    public void Capabilities_OfADevice_AreAllThereInOrder()
    {
        using ProbeDevice device = new(8) { Config = new byte[60] };
        FunctionAccess access = new(new(device, _host));
        List<(byte Id, byte Type, ulong At)> capabilities = Capabilities(access);

        Assert.Equal(
            [(9, Common), (9, Notify), (9, Isr), (9, DeviceConfig), (9, Window), (0x11, 0), (0x01, 0), (0x10, 0)],
            capabilities.Select(static capability =>
                ((int)capability.Id, capability.Id == 9 ? capability.Type : (byte)0)
            )
        );
        foreach ((byte id, byte type, ulong at) in capabilities.Where(static capability => capability.Id == 9))
        {
            Assert.Equal(type is Notify or Window ? 20u : 16u, access.Config(at + 2, 1));
            Assert.Equal(0u, access.Config(at + 4, 1));
            Assert.Equal(0u, access.Config(at + 8) % 4);
        }

        Assert.Equal(60u, access.Config(At(access, DeviceConfig) + 12));
        Assert.True(access.Config(At(access, Common) + 12) >= 64);
    }

    [Fact]
    [Clause("pci.dev.044")]
    public void Capabilities_DeviceWithoutConfigurationSpace_HaveNoDeviceStructure()
    {
        using ProbeDevice device = new(8);
        FunctionAccess access = new(new(device, _host));

        Assert.DoesNotContain(Capabilities(access), static capability => capability is { Id: 9, Type: DeviceConfig });
    }

    [Theory]
    [Clause("pci.dev.032", "pci.dev.033", "pci.dev.034", "pci.dev.035", "pci.dev.037", "pci.dev.038")]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5000)]
    public void NotifyStructure_AnyNumberOfQueues_HasARegisterForEach(int queues)
    {
        using ProbeDevice device = new(Enumerable.Repeat(8, queues).ToArray());
        PciFunction function = new(device, _host);
        FunctionAccess access = new(function);
        ulong at = At(access, Notify);
        uint multiplier = access.Config(at + 16);
        access.Bar(0, 22, 2, (ulong)queues - 1);
        ulong last = access.Bar(0, 30, 2);

        Assert.Equal(4u, multiplier);
        Assert.True(access.Config(at + 12) >= last * multiplier + 4);
        Assert.True(access.Config(at + 8) + access.Config(at + 12) <= function.Bars[0].LengthBytes);
        Assert.Equal((0, access.Config(at + 8) + last * 4, 4), function.NotifyRegister(queues - 1));
    }

    [Fact]
    [Clause("pci.dev.009")]
    public void DeviceConfig_HalvesOfAField_AreReadOnTheirOwn()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4, 5, 6, 7, 8] };
        FunctionAccess access = new(new(device, _host));

        Assert.Equal(0x0807_0605ul, access.Bar(0, 0x2004, 4));
        Assert.Equal(0x0403_0201ul, access.Bar(0, 0x2000, 4));
        Assert.Equal(0x0807_0605_0403_0201ul, access.Bar(0, 0x2000, 8));
    }

    [Fact]
    public void CommonConfig_FieldWrittenWithAnotherWidth_StaysAsItIs()
    {
        using ProbeDevice device = new(8, 8);
        FunctionAccess access = new(new(device, _host));
        access.Bar(0, 22, 1, 1);
        access.Bar(0, 22, 4, 1);
        access.Bar(0, 20, 2, 1);
        access.Bar(0, 0, 2, 1);
        access.Bar(0, 24, 1, 4);
        access.Bar(0, 33, 4, 0xffff_ffff);
        access.Bar(0, 36, 8, ulong.MaxValue);

        Assert.Equal(0ul, access.Bar(0, 22, 2));
        Assert.Equal(0ul, access.Bar(0, 20, 1));
        Assert.Equal(0ul, access.Bar(0, 0, 4));
        Assert.Equal(8ul, access.Bar(0, 24, 2));
        Assert.Equal(0ul, access.Bar(0, 32, 8));
        access.Bar(0, 32, 8, 0x1122_3344_5566_7788);
        Assert.Equal(0x1122_3344_5566_7788ul, access.Bar(0, 32, 8));
        Assert.Equal(0x3344_5566ul, access.Bar(0, 34, 4));
    }

    [Fact]
    public void CommonConfig_ReadWhole_ShowsAllFields()
    {
        using ProbeDevice device = new(8, 16);
        FunctionAccess access = new(new(device, _host));
        access.Bar(0, 22, 2, 1);
        byte[] bytes = new byte[64];
        access.ReadBar(0, 0, bytes);

        Assert.Equal([2, 0], bytes[18..20]);
        Assert.Equal([1, 0, 16, 0, 0xff, 0xff, 0, 0, 1, 0], bytes[22..32]);
    }

    [Fact]
    [Clause("pci.dev.029")]
    public void AdminQueues_NotOffered_AreNone()
    {
        using ProbeDevice device = new(8);
        FunctionAccess access = new(new(device, _host));

        Assert.Equal(0ul, access.Bar(0, 60, 4));
        Assert.Equal(0ul, access.Bar(0, 4, 4) >> 9 & 1);
    }

    [Fact]
    [Clause("pci.dev.058", "pci.dev.059", "pci.dev.060", "pci.dev.062", "pci.dev.063")]
    public void Vectors_OfQueuesAndConfiguration_AreMappedAndUnmapped()
    {
        using ProbeDevice device = new(8, 8);
        PciFunction function = new(device, _host, new() { Vectors = 2 });
        PciDriver driver = new(new FunctionAccess(function));
        FunctionAccess access = new(function);

        Assert.Equal(0xfffful, access.Bar(0, 16, 2));
        Assert.True(driver.TryMapConfig(1));
        Assert.True(driver.TryMapQueue(0, 1));
        Assert.True(driver.TryMapQueue(1, 0));
        access.Bar(0, 16, 2, 2);
        Assert.Equal(0xfffful, access.Bar(0, 16, 2));
        access.Bar(0, 22, 2, 0);
        access.Bar(0, 26, 2, 0x7ff);
        Assert.Equal(0xfffful, access.Bar(0, 26, 2));
        Assert.True(driver.TryMapQueue(1, 0xffff));
    }

    [Fact]
    [Clause("pci.dev.061")]
    public void Vectors_AfterReset_AreUnmapped()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        PciDriver driver = new(new FunctionAccess(function));
        driver.TryMapConfig(0);
        driver.TryMapQueue(0, 1);
        driver.Reset();
        FunctionAccess access = new(function);

        Assert.Equal(0xfffful, access.Bar(0, 16, 2));
        Assert.Equal(0xfffful, access.Bar(0, 26, 2));
    }

    [Theory]
    [Clause("pci.dev.055", "pci.dev.056", "pci.dev.057")]
    [InlineData(1, 2)]
    [InlineData(4, 5)]
    [InlineData(3000, 0x800)]
    public void Vectors_OfADevice_AreAsManyAsItCanUse(int queues, int expected)
    {
        using ProbeDevice device = new(Enumerable.Repeat(8, queues).ToArray());
        PciFunction function = new(device, _host);
        PciDriver driver = new(new FunctionAccess(function));

        Assert.Equal(expected, driver.VectorCount);
        Assert.Equal(expected, function.VectorCount);
    }

    [Fact]
    [Clause("pci.dev.064", "pci.dev.065", "pci.dev.040")]
    public void Msix_MappedEvents_SendTheirMessagesAndOthersNone()
    {
        using ProbeDevice device = new(8, 8);
        PciFunction function = new(device, _host, new() { IsVectorTableElsewhere = true });
        PciDriver driver = Run(function, useMsix: true);
        driver.TryMapQueue(0, 2);
        device.Started[0].Call!.Notify();
        device.Host.NotifyConfigChanged();
        Assert.Equal([2], _host.Vectors);

        driver.TryMapConfig(1);
        device.Host.NotifyConfigChanged();
        driver.TryMapQueue(0, 0xffff);
        device.Started[0].Call!.Notify();
        Assert.Equal([2, 1], _host.Vectors);
        Assert.Empty(_host.Levels);
        Assert.Equal(2, driver.TakeInterruptStatus());
    }

    [Fact]
    [Clause("pci.dev.041", "pci.dev.042", "pci.dev.043")]
    public void Line_WithoutMsix_FollowsTheStatusAndItsMask()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        PciDriver driver = Run(function, useMsix: false);
        FunctionAccess access = new(function);
        device.Started[0].Call!.Notify();
        Assert.Equal(8u, access.Config(6, 2) & 8);
        Assert.True(_host.Line);

        access.Config(4, 2, 0x406);
        Assert.False(_host.Line);
        Assert.Equal(8u, access.Config(4) >> 16 & 8);
        access.Config(4, 2, 6);
        Assert.True(_host.Line);
        Assert.Equal(1, driver.TakeInterruptStatus());
        Assert.Equal(0u, access.Config(6, 1) & 8);
        Assert.Equal([true, false, true, false], _host.Levels);
    }

    [Fact]
    public void MsixTable_MaskedVector_IsPendingUntilUnmasked()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        PciDriver driver = Run(function, useMsix: true);
        FunctionAccess access = new(function);
        driver.TryMapQueue(0, 1);
        device.Started[0].Call!.Notify();
        Assert.Empty(_host.Vectors);
        Assert.Equal(2ul, access.Bar(1, 0x1000, 8));

        access.Bar(1, 16, 8, 0xfee0_1000);
        access.Bar(1, 24, 4, 0x4041);
        access.Bar(1, 28, 4, 0);
        Assert.Equal([1], _host.Vectors);
        Assert.Equal(0ul, access.Bar(1, 0x1000, 8));
        Assert.Equal((0xfee0_1000ul, 0x4041u), function.MessageOf(1));
    }

    [Fact]
    public void MsixTable_MaskedFunction_HoldsAllBack()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        PciDriver driver = Run(function, useMsix: true);
        FunctionAccess access = new(function);
        driver.TryMapQueue(0, 0);
        access.Bar(1, 12, 4, 0);
        ulong control = At(access, 0x11, 0) + 2;
        access.Config(control, 2, 0xc000);
        device.Started[0].Call!.Notify();
        Assert.Empty(_host.Vectors);

        access.Config(control, 2, 0x8000);
        Assert.Equal([0], _host.Vectors);
    }

    [Fact]
    [Clause("pci.dev.046", "pci.dev.047")]
    public void SharedRegions_OfADevice_LieInTheirBar()
    {
        using ProbeDevice device = new(8) { Regions = [new(1, 0x1800), new(7, 3ul << 32)] };
        PciFunction function = new(device, _host);
        PciDriver driver = new(new FunctionAccess(function));

        Assert.Equal(
            [(new SharedRegion(1, 0x1800), 4, 0ul), (new SharedRegion(7, 3ul << 32), 4, 0x2000ul)],
            driver.SharedRegions
        );
        Assert.Equal(4ul << 32, function.Bars[4].LengthBytes);
        FunctionAccess access = new(function);
        Assert.Equal(24u, access.Config(At(access, SharedMemory) + 2, 1));
    }

    [Fact]
    public void SharedRegions_MoreThanFit_AreRefused()
    {
        using ProbeDevice device = new(8)
        {
            Regions = [.. Enumerable.Range(0, 9).Select(static id => new SharedRegion((byte)id, 1))],
        };

        Assert.Throws<DeviceException>(() => new PciFunction(device, _host));
    }

    [Fact]
    [Clause("pci.dev.048", "pci.dev.049", "pci.dev.050", "pci.drv.028")]
    public void VendorData_IsACapabilityOfWholeWords()
    {
        using ProbeDevice device = new(8);
        PciFunctionOptions options = new() { VendorData = new(0x1b36, new byte[] { 1, 2, 3 }) };
        FunctionAccess access = new(new(device, _host, options));
        ulong at = At(access, VendorData);

        Assert.Equal(12u, access.Config(at + 2, 1));
        Assert.Equal(0x1b36u, access.Config(at + 4, 2));
        Assert.Equal(0x03_0201u, access.Config(at + 6) & 0xff_ffff);
        Assert.Equal(0x03_0201u, access.Config(at + 6) & 0xff_ffff);
        Assert.Throws<DeviceException>(() =>
            new PciFunction(device, _host, new() { VendorData = new(0x1af4, new byte[4]) })
        );
    }

    [Fact]
    [Clause("pci.dev.052", "pci.dev.053")]
    public void Window_ReachesEveryStructure()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4] };
        PciFunction function = new(device, _host);
        FunctionAccess access = new(function);
        ulong window = At(access, Window);
        Assert.Equal(8u, ReadWindow(access, window, 24, 2));
        Assert.Equal(0x0403u, ReadWindow(access, window, 0x2002, 2));

        WriteWindow(access, window, 20, 1, 1);
        Assert.Equal(1ul, access.Bar(0, 20, 1));
        WriteWindow(access, window, 0x2000, 4, 0x0a0b_0c0d);
        Assert.Equal([0x0d, 0x0c, 0x0b, 0x0a], device.Config);
    }

    [Theory]
    [InlineData(9u, 0u, 4u)]
    [InlineData(0u, 0xffff_fffcu, 4u)]
    [InlineData(0u, 0u, 3u)]
    [InlineData(0u, 0u, 0xffff_ffffu)]
    public void Window_ThatPointsNowhere_DoesNothing(uint bar, uint offset, uint length)
    {
        using ProbeDevice device = new(8);
        FunctionAccess access = new(new(device, _host));
        ulong window = At(access, Window);
        access.Config(window + 4, 1, bar);
        access.Config(window + 8, 4, offset);
        access.Config(window + 12, 4, length);
        access.Config(window + 16, 4, 0xffff_ffff);
        access.Config(window + 16);

        Assert.Equal(0ul, access.Bar(0, 20, 1));
        Assert.Equal(0ul, access.Bar(0, 0, 4));
    }

    [Fact]
    public void BusMaster_TakenAway_StopsTheQueuesUntilItIsGivenBack()
    {
        using ProbeDevice device = new(8) { StateAtStop = new QueueState(9, 9) };
        PciFunction function = new(device, _host);
        Run(function, useMsix: false);
        FunctionAccess access = new(function);
        access.Config(4, 2, 2);
        Assert.Empty(device.Running);

        access.Config(4, 2, 6);
        Assert.Equal([0], device.Running);
        Assert.Equal(new QueueState(9, 9), device.Started[^1].State);
    }

    [Fact]
    public void PowerState_D3_StopsTheQueuesAndKeepsTheRest()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        Run(function, useMsix: false);
        FunctionAccess access = new(function);
        ulong control = At(access, 1, 0) + 4;
        access.Config(control, 2, 3);
        Assert.Empty(device.Running);
        Assert.Equal(0xful, access.Bar(0, 20, 1));

        access.Config(control, 2, 1);
        Assert.Equal(0u, access.Config(control, 2));
        Assert.Equal([0], device.Running);
    }

    [Fact]
    public void FunctionLevelReset_ResetsEverything()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        Run(function, useMsix: true);
        FunctionAccess access = new(function);
        ulong control = At(access, 0x10, 0) + 8;
        Assert.Equal(1u << 28, access.Config(control - 4) & 1u << 28);
        access.Config(0x10, 4, 0xfeb0_0000);
        access.Config(control, 2, 0x8000);

        Assert.Empty(device.Running);
        Assert.Equal(0u, access.Config(4, 2));
        Assert.Equal(0u, access.Config(0x10));
        Assert.Equal(0u, access.Config(control, 2) & 0x8000);
        Assert.False(function.IsMsixEnabled);
        Assert.Equal(0ul, access.Bar(0, 20, 1));
    }

    [Fact]
    public void Driver_FunctionOfAnotherVendor_IsRefused()
    {
        Assert.Throws<DeviceException>(() => new PciDriver(new FixedAccess(new byte[256])));
    }

    [Fact]
    public void Driver_CapabilitiesThatLoop_EndsAndComplains()
    {
        byte[] space = new byte[256];
        (space[0], space[1], space[2], space[3]) = (0xf4, 0x1a, 0x42, 0x10);
        space[6] = 0x10;
        space[0x34] = 0x40;
        (space[0x40], space[0x41]) = (9, 0xfc);
        (space[0xfc], space[0xfd]) = (5, 0x40);

        Assert.Throws<DeviceException>(() => new PciDriver(new FixedAccess(space)));
    }

    private static List<(byte Id, byte Type, ulong At)> Capabilities(FunctionAccess access)
    {
        List<(byte, byte, ulong)> found = [];
        for (ulong at = access.Config(0x34, 1); at != 0; at = access.Config(at + 1, 1))
        {
            Assert.True(found.Count < 48);
            found.Add(((byte)access.Config(at, 1), (byte)access.Config(at + 3, 1), at));
        }

        return found;
    }

    private static ulong At(FunctionAccess access, byte type) => At(access, 9, type);

    private static ulong At(FunctionAccess access, byte id, byte type) =>
        Capabilities(access).First(capability => capability.Id == id && (id != 9 || capability.Type == type)).At;

    private static uint ReadWindow(FunctionAccess access, ulong window, uint offset, uint length)
    {
        access.Config(window + 4, 1, 0);
        access.Config(window + 8, 4, offset);
        access.Config(window + 12, 4, length);
        return access.Config(window + 16, (int)length);
    }

    private static void WriteWindow(FunctionAccess access, ulong window, uint offset, uint length, uint value)
    {
        access.Config(window + 4, 1, 0);
        access.Config(window + 8, 4, offset);
        access.Config(window + 12, 4, length);
        access.Config(window + 16, (int)length, value);
    }

    private static PciDriver Run(PciFunction function, bool useMsix)
    {
        function.Attach(NoMemory.Create());
        PciDriver driver = new(new FunctionAccess(function));
        driver.EnableFunction(useMsix);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();
        return driver;
    }

    /// <summary>A configuration space that is only bytes.</summary>
    private sealed class FixedAccess(byte[] space) : IPciAccess
    {
        public void ReadConfig(ulong offset, Span<byte> destination) =>
            space.AsSpan((int)offset, destination.Length).CopyTo(destination);

        public void WriteConfig(ulong offset, ReadOnlySpan<byte> source) { }

        public void ReadBar(int bar, ulong offset, Span<byte> destination) => destination.Clear();

        public void WriteBar(int bar, ulong offset, ReadOnlySpan<byte> source) { }
    }
}
