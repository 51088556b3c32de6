using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;

namespace Vireo.Tests.Core.Transports.Pci;

/// <summary>What the specification asks of drivers, watched on every access of ours.</summary>
public sealed class PciDriverTests
{
    /// <summary>Where an ordinary function's capabilities leave room for one more.</summary>
    private const int FreeAt = 0xec;

    private static readonly QueueAreas Areas = new(8, new(0x1000), new(0x2000), new(0x3000));

    private readonly ProbeHost _host = new();

    public static TheoryData<string> Oddities =>
        ["nothing", "revision", "subsystem", "type", "bar", "later", "long capability", "long structure"];

    [Theory]
    [Clause("pci.drv.005", "pci.drv.015", "pci.drv.016", "pci.drv.019", "pci.drv.020", "pci.drv.021", "pci.drv.022")]
    [Clause("pci.drv.023", "pci.drv.024", "pci.drv.027", "pci.drv.039", "pci.drv.040", "pci.drv.041", "pci.drv.042")]
    [Clause("pci.drv.006", "pci.drv.029", "pci.drv.030", "pci.drv.031", "pci.drv.032", "pci.drv.043", "pci.drv.044")]
    [InlineData(false, false, 2, 1u)]
    [InlineData(true, false, 4, 0x8005_0001u)]
    [InlineData(false, true, 2, 1u)]
    [InlineData(true, true, 4, 0x8005_0001u)]
    public void WholeLife_KeepsTheRules(bool hasData, bool hasToken, int width, uint value)
    {
        using ProbeDevice device = new(8, 8) { Config = new byte[24] };
        PciFunction function = new(device, _host, new() { VendorData = new(0x1b36, new byte[4]) });
        function.Attach(NoMemory.Create());
        WatchedAccess access = new(function) { ResetReads = 3 };
        PciDriver driver = new(access);
        driver.EnableFunction(useMsix: true);
        driver.Negotiate(
            FeatureSet
                .Of(CoreFeature.RingReset)
                .WithIf(CoreFeature.NotificationData, hasData)
                .WithIf(CoreFeature.NotificationConfigData, hasToken)
        );
        Assert.True(driver.TryMapConfig(0));
        for (int queue = 0; queue < driver.QueueCount; queue++)
        {
            Assert.True(driver.TryMapQueue(queue, 1));
            driver.EnableQueue(queue, Areas);
        }

        driver.Start();
        driver.ReadConfig(1, new byte[22]);
        driver.WriteConfig(8, new byte[9]);
        driver.Kick(1, nextOffset: 5, nextWrap: true);
        driver.ResetQueue(1);
        driver.EnableQueue(1, Areas with { Size = 4 });
        driver.Reset();

        // Tokens of this device are the queues' numbers.
        Assert.Equal((1ul, width, value), Assert.Single(access.Notifications));
        Assert.Equal(0, access.IsrReads);
    }

    [Theory]
    [Clause("pci.drv.017", "pci.drv.018")]
    [InlineData(false, 0)]
    [InlineData(false, 6)]
    [InlineData(true, 0)]
    public void QueueSize_ThatNoRingHas_IsNotWritten(bool isPacked, int size)
    {
        using ProbeDevice device = new(8);
        FeatureSet features = PciFunctionOptions.TransportFeatures.With(CoreFeature.RingPacked);
        PciFunction function = new(device, _host, new() { Features = features });
        FunctionAccess access = new(function);
        PciDriver driver = new(access);
        driver.Negotiate(FeatureSet.Empty.WithIf(CoreFeature.RingPacked, isPacked));

        Assert.Throws<RingException>(() => driver.EnableQueue(0, Areas with { Size = (ushort)size }));
        Assert.Equal(8ul, access.Bar(0, 24, 2));
        Assert.Equal(0ul, access.Bar(0, 28, 2));
    }

    [Theory]
    [Clause("pci.drv.003", "pci.drv.004", "pci.drv.009", "pci.drv.010", "pci.drv.011", "pci.drv.012", "pci.drv.014")]
    [Clause("pci.drv.007", "pci.drv.008", "pci.dev.010", "pci.dev.013")]
    [MemberData(nameof(Oddities))]
    public void Function_WithOddities_IsDrivenAllTheSame(string oddity)
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4] };
        PciFunction function = new(device, _host);
        function.Attach(NoMemory.Create());
        byte[] space = new byte[256];
        function.ReadConfig(0, space);
        Distort(space, oddity);
        PciDriver driver = new(new WatchedAccess(function) { Space = space });
        driver.EnableFunction(useMsix: false);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();
        byte[] config = new byte[4];
        driver.ReadConfig(0, config);

        Assert.Equal([1, 2, 3, 4], config);
        Assert.Equal([0], device.Running);
    }

    [Theory]
    [Clause("pci.drv.001")]
    [InlineData(0x1af5, 0x1042)]
    [InlineData(0x1af4, 0x103f)]
    [InlineData(0x1af4, 0x1080)]
    public void Function_ThatIsNotOfVirtio_IsRefused(int vendor, int id)
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        byte[] space = new byte[256];
        function.ReadConfig(0, space);
        BitConverter.TryWriteBytes(space, (ushort)vendor);
        BitConverter.TryWriteBytes(space.AsSpan(2), (ushort)id);

        Assert.Throws<DeviceException>(() => new PciDriver(new WatchedAccess(function) { Space = space }));
    }

    [Theory]
    [Clause("pci.drv.002")]
    [InlineData(0x1000, 1u)]
    [InlineData(0x1001, 2u)]
    [InlineData(0x1002, 5u)]
    [InlineData(0x1003, 3u)]
    [InlineData(0x1004, 8u)]
    [InlineData(0x1005, 4u)]
    [InlineData(0x1009, 9u)]
    public void Function_WithATransitionalId_IsDriven(int id, uint type)
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host);
        function.Attach(NoMemory.Create());
        byte[] space = new byte[256];
        function.ReadConfig(0, space);
        BitConverter.TryWriteBytes(space.AsSpan(2), (ushort)id);
        space[8] = 0;
        PciDriver driver = new(new WatchedAccess(function) { Space = space });
        driver.EnableFunction(useMsix: false);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();

        Assert.Equal(type, driver.DeviceId);
        Assert.Equal([0], device.Running);
    }

    [Fact]
    [Clause("pci.drv.045", "pci.any.001")]
    public void Line_ForAQueueAndAChange_SaysBothAtOnce()
    {
        using ProbeDevice device = new(8) { Config = [1] };
        PciFunction function = new(device, _host);
        function.Attach(NoMemory.Create());
        PciDriver driver = new(new FunctionAccess(function));
        driver.EnableFunction(useMsix: false);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();

        device.Started[0].Call!.Notify();
        device.Host.NotifyConfigChanged();

        Assert.True(_host.Line);
        Assert.Equal(3, driver.TakeInterruptStatus());
        Assert.False(_host.Line);
        Assert.Equal(0, driver.TakeInterruptStatus());
    }

    [Theory]
    [Clause("pci.drv.033", "pci.drv.034", "pci.drv.035")]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(0x800)]
    public void Vectors_HoweverMany_AreUsed(int vectors)
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host, new() { Vectors = vectors, IsVectorTableElsewhere = true });
        function.Attach(NoMemory.Create());
        PciDriver driver = new(new FunctionAccess(function));
        driver.EnableFunction(useMsix: vectors > 1);
        driver.Negotiate(FeatureSet.Empty);
        Assert.Equal(vectors, driver.VectorCount);
        Assert.Equal(vectors > 1, vectors > 1 && driver.TryMapQueue(0, (ushort)(vectors - 1)));
        driver.EnableQueue(0, Areas);
        driver.Start();
        device.Started[0].Call!.Notify();

        Assert.Equal(vectors > 1 ? [vectors - 1] : [], _host.Vectors);
        Assert.Equal(vectors <= 1, _host.Line);
    }

    [Fact]
    [Clause("pci.drv.036", "pci.drv.037", "pci.drv.038")]
    public void Vector_ThatCannotBeMapped_IsNoticed()
    {
        using ProbeDevice device = new(8);
        PciFunction function = new(device, _host, new() { Vectors = 2 });
        byte[] space = new byte[256];
        function.ReadConfig(0, space);
        int msix = FindCapability(space, 0x11);
        PciDriver honest = new(new FunctionAccess(function));
        Assert.True(honest.TryMapConfig(1));
        Assert.False(honest.TryMapConfig(2));
        Assert.Equal(1ul, new FunctionAccess(function).Bar(0, 16, 2));

        // A table that is said to be longer than it is: the device refuses, and the driver tries with fewer.
        space[msix + 2] = 7;
        PciDriver misled = new(new WatchedAccess(function) { Space = space });
        Assert.False(misled.TryMapQueue(0, 5));
        Assert.True(misled.TryMapQueue(0, 1));
    }

    private static void Distort(byte[] space, string oddity)
    {
        byte first = space[0x34];
        switch (oddity)
        {
            case "revision":
                space[8] = 0x55;
                break;
            case "subsystem":
                space.AsSpan(0x2c, 4).Fill(0xaa);
                break;
            case "type":
                PutCapability(space, type: 0x42, bar: 0, next: first);
                space[0x34] = FreeAt;
                break;
            case "bar":
                PutCapability(space, type: 1, bar: 6, next: first);
                space[0x34] = FreeAt;
                break;
            case "later":
                PutCapability(space, type: 1, bar: 0, next: 0);
                space[FindLast(space) + 1] = FreeAt;
                break;
            case "long capability":
                space[first + 2] += 4;
                break;
            case "long structure":
                space[first + 14] = 0x10;
                break;
            default:
                break;
        }
    }

    /// <summary>A capability that points to where nothing is.</summary>
    private static void PutCapability(byte[] space, byte type, byte bar, byte next)
    {
        Assert.All(space[FreeAt..], static value => Assert.Equal(0, value));
        byte[] capability = [9, next, 16, type, bar, 0, 0, 0, 0, 0x0f, 0, 0, 64, 0, 0, 0];
        capability.CopyTo(space.AsSpan(FreeAt));
    }

    private static int FindLast(byte[] space)
    {
        int at = space[0x34];
        while (space[at + 1] != 0)
        {
            at = space[at + 1];
        }

        return at;
    }

    private static int FindCapability(byte[] space, byte id)
    {
        int at = space[0x34];
        while (space[at] != id)
        {
            at = space[at + 1];
        }

        return at;
    }
}
