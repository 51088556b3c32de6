using System.Text;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Linux;
using Vireo.Linux.Vduse;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.Vduse;

/// <summary>Bounce buffers that are memory of the home's process.</summary>
public sealed class VduseOwnBuffersTests : IDisposable
{
    private const ulong BounceFirst = GuestRam.GuestBase + GuestRam.BuffersAt;
    private static readonly FeatureSet Features = FeatureSet.Of(CoreFeature.Version1);

    private readonly TemporaryFolder _folder = new();
    private readonly GuestRam _ram = new();
    private readonly VduseUnderTest _home;

    public VduseOwnBuffersTests()
    {
        _home = new(_folder["state"], _ram, ownsBuffers: true);
        ulong last = GuestRam.GuestBase + (ulong)_ram.File.Size - 1;
        Kernel.Mappings = [(GuestRam.GuestBase, BounceFirst - 1), (BounceFirst, last)];
        Kernel.Bounce = (BounceFirst, last);
        _home.Start();
    }

    private FakeVduse Kernel => _home.Kernel;

    public void Dispose()
    {
        _home.Dispose();
        _ram.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Requests_GoThroughMemoryThatIsLentOnce()
    {
        using TestRing ring = Drive();
        ring.Add("there before it was lent");
        Kernel.Kicks[0]!.Signal();
        Assert.Equal("there before it was lent", TakeThroughLent(ring));

        ring.Add("there after it");
        Kernel.CopyToLent();
        Kernel.Kicks[0]!.Signal();

        Assert.Equal("there after it", TakeThroughLent(ring));
        Assert.Equal(1, Kernel.LentCount);
        // The ring's own pages are the kernel's; of the buffers nothing else is mapped.
        Assert.Equal(1, Kernel.MappingsGiven);
        Assert.Equal(2, _home.Home.Session.Memory.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void WhatTheyHold_GoesBackWhenTheyAreForgotten(bool isReset)
    {
        using TestRing ring = Drive();
        ring.Add("kept");
        Kernel.Kicks[0]!.Signal();
        DriverCompletion completion = Wait(ring);

        Assert.True(
            isReset
                ? Kernel.SetStatus(DeviceStatus.None).IsGood
                : Kernel.Ask(new(0, VduseRequestKind.UpdateMappings) { First = BounceFirst, Last = BounceFirst }).IsGood
        );

        Assert.Equal(0, Kernel.Lent);
        Assert.Equal("kept", Read(completion));
    }

    [Fact]
    public void WhatTheyHold_GoesBackWhenTheHomeEnds()
    {
        using TestRing ring = Drive();
        ring.Add("left behind");
        Kernel.Kicks[0]!.Signal();
        DriverCompletion completion = Wait(ring);

        _home.Stop();

        Assert.Equal(0, Kernel.Lent);
        Assert.Equal("left behind", Read(completion));
    }

    [Theory]
    [InlineData(Errno.ENOMEM)]
    [InlineData(Errno.EINVAL)]
    public void KernelThatTakesNoMemory_KeepsItsPages(Errno error)
    {
        Kernel.RefusesMemory = error;
        using TestRing ring = Drive();

        ring.Add("all the same");
        Kernel.Kicks[0]!.Signal();

        Assert.Equal("all the same", ring.Take());
        Assert.Equal(2, Kernel.MappingsGiven);
        Assert.True(_home.Log.Holds($"stay pages of the kernel: VDUSE_IOTLB_REG_UMEM"));
        Assert.True(_home.Log.Holds($"{error}"));
    }

    [Fact]
    public void KernelThatKnowsOfNoBounceBuffers_KeepsItsPages()
    {
        // As before Linux 6.0, and behind vhost-vdpa.
        Kernel.Bounce = (1, 0);
        using TestRing ring = Drive();

        ring.Add("all the same");
        Kernel.Kicks[0]!.Signal();

        Assert.Equal("all the same", ring.Take());
        Assert.Equal(0, Kernel.LentCount);
        Assert.False(_home.Log.Holds("bounce buffers"));
    }

    private TestRing Drive()
    {
        TestRing ring = new(_ram, 0, 16, Features);
        Kernel.SetUp(0, 16);
        Kernel.Drive(Features);
        return ring;
    }

    private string TakeThroughLent(TestRing ring)
    {
        DriverCompletion completion = Wait(ring);
        Kernel.CopyLent();
        return Read(completion);
    }

    private static DriverCompletion Wait(TestRing ring)
    {
        DriverCompletion completion = default;
        Assert.True(SpinWait.SpinUntil(() => ring.Driver.TryTake(out completion), FakeVduse.Patience));
        return completion;
    }

    private string Read(DriverCompletion completion)
    {
        byte[] bytes = new byte[completion.WrittenBytes];
        Assert.True(_ram.Memory.TryRead(GuestRam.At(completion.Tag + 256), bytes));
        return Encoding.UTF8.GetString(bytes);
    }
}
