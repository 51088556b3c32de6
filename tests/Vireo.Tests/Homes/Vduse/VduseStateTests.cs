using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.Vduse;
using Vireo.Linux;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.Vduse;

/// <summary>What a home leaves to its successor.</summary>
public sealed class VduseStateTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly GuestRam _ram = new();
    private readonly ProbeDevice _device = new();

    public void Dispose()
    {
        _device.Dispose();
        _ram.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Successor_OfAKilledProcess_CompletesWhatWasInFlight(bool isPacked)
    {
        FeatureSet features = FeatureSet.Of(CoreFeature.Version1).WithIf(CoreFeature.RingPacked, isPacked);
        using TestRing ring = new(_ram, 0, 16, features);
        using VduseUnderTest first = new(_folder["first"], _ram);
        first.Start();
        first.Kernel.SetUp(0, 16);
        first.Kernel.Drive(features);
        Echo(ring, first, "completed");
        first.Device.Hold();
        ring.Add("in flight");
        ring.Add("in flight, too");
        first.Kernel.Kicks[0]!.Signal();
        Assert.True(SpinWait.SpinUntil(() => first.Device.HeldCount == 2, FakeVduse.Patience));
        // What a kill -9 leaves: the file as it is now, and the device where it was.
        File.Copy(_folder["first"], _folder["second"]);

        using VduseUnderTest second = new(_folder["second"], _ram, isContinued: true);
        second.Kernel.SetUp(0, 16);
        second.Kernel.DriverFeatures = features.Low;
        second.Start();

        Assert.Equal("in flight", ring.Take());
        Assert.Equal("in flight, too", ring.Take());
        Echo(ring, second, "as if nothing had been");
        Assert.True(second.Kernel.CallsOf(0) > 0);
        Assert.True(second.Log.Holds("goes on with a device that is in use"));
        Assert.NotEmpty(second.Kernel.ConfigWrites);
        Assert.True(second.Kernel.SetStatus(DeviceStatus.None).IsGood);
        first.Device.Release(first.LoopOf(0), 0);
    }

    [Fact]
    public void Successor_OfAStoppedProcess_GoesOnWhereItStopped()
    {
        var features = FeatureSet.Of(CoreFeature.Version1);
        using TestRing ring = new(_ram, 0, 16, features);
        using (VduseUnderTest first = new(_folder["first"], _ram))
        {
            first.Start();
            first.Kernel.SetUp(0, 16);
            first.Kernel.Drive(features);
            Echo(ring, first, "before");
            first.Stop();
            File.Copy(_folder["first"], _folder["second"]);
        }

        ring.Add("while nobody was there");
        using VduseUnderTest second = new(_folder["second"], _ram, isContinued: true);
        second.Kernel.SetUp(0, 16);
        second.Kernel.DriverFeatures = features.Low;
        second.Start();

        Assert.Equal("while nobody was there", ring.Take());
    }

    [Fact]
    public void Successor_WhoseDeviceDoesNotOfferWhatWasChosen_IsRefused()
    {
        using VduseUnderTest home = new(_folder["state"], _ram);
        home.Kernel.DriverFeatures = ulong.MaxValue;
        using (VduseState state = Open("begun", isContinued: false))
        {
            state.Status = FakeVduse.All;
        }

        using VduseUnderTest second = new(_folder["begun"], _ram, isContinued: true);
        second.Kernel.DriverFeatures = ulong.MaxValue;

        DeviceException refusal = Assert.Throws<DeviceException>(second.Home.Begin);

        Assert.Contains("features its driver chose", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Home_ThatEndsWithNothingToGoOnWith_RemovesTheFile()
    {
        using (VduseUnderTest home = new(_folder["state"], _ram))
        {
            home.Start();
            Assert.True(File.Exists(_folder["state"]));
        }

        Assert.False(File.Exists(_folder["state"]));
    }

    [Fact]
    public void Open_FileInUse_IsRefused()
    {
        using VduseState first = Open("state", isContinued: false);

        DeviceException refusal = Assert.Throws<DeviceException>(() => Open("state", isContinued: true));

        Assert.Contains("in use", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FileThatOthersMayWrite_IsRefused()
    {
        Open("state", isContinued: false).Dispose();
        File.SetUnixFileMode(
            _folder["state"],
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite
        );

        Assert.Throws<DeviceException>(() => Open("state", isContinued: true));
    }

    [Fact]
    public void Open_Link_IsRefused()
    {
        Open("state", isContinued: false).Dispose();
        File.CreateSymbolicLink(_folder["link"], _folder["state"]);

        Assert.Throws<LinuxException>(() => Open("link", isContinued: true));
    }

    [Fact]
    public void Open_FileOfAnotherLength_IsRefused()
    {
        Open("state", isContinued: false).Dispose();
        using (FileStream file = File.OpenWrite(_folder["state"]))
        {
            file.SetLength(100);
        }

        DeviceException refusal = Assert.Throws<DeviceException>(() => Open("state", isContinued: true));

        Assert.Contains("has 100 bytes", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FileOfAnotherDevice_IsRefusedAndNamesBoth()
    {
        Open("state", isContinued: false).Dispose();

        DeviceException refusal = Assert.Throws<DeviceException>(() =>
            VduseState.Open(_folder["state"], _device, FeatureSet.Of(7), isContinued: true)
        );

        Assert.Contains("type 3 with 2 queues", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("{7}", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ToBeginAnew_ForgetsWhatWasThere()
    {
        using (VduseState state = Open("state", isContinued: false))
        {
            state.Status = DeviceStatus.Driver;
        }

        using VduseState again = Open("state", isContinued: false);

        Assert.Equal(DeviceStatus.None, again.Status);
    }

    private static void Echo(TestRing ring, VduseUnderTest home, string text)
    {
        ring.Add(text);
        home.Kernel.Kicks[0]!.Signal();
        Assert.Equal(text, ring.Take());
    }

    private VduseState Open(string name, bool isContinued) =>
        VduseState.Open(_folder[name], _device, VduseSession.FeaturesOf(_device, FeatureSet.Empty), isContinued);
}
