using Vireo.Backends.Entropy;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Entropy;
using Vireo.Homes.Loopback;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Entropy;

public sealed class EntropyDeviceTests
{
    private const uint RequestBytesMax = 64 * 1024;

    public static TheoryData<int, int> Layouts =>
        new()
        {
            { CoreFeature.EventIndex, CoreFeature.IndirectDescriptors },
            { CoreFeature.RingPacked, CoreFeature.IndirectDescriptors },
            { CoreFeature.RingPacked, CoreFeature.EventIndex },
        };

    [Theory]
    [Clause("entropy.dev.001")]
    [MemberData(nameof(Layouts))]
    public void Request_AnyLayout_IsFilled(int first, int second)
    {
        using var home = LoopbackHome.Open(
            new EntropyDevice(new CountingEntropy()),
            new() { RingFeatures = FeatureSet.Of(first, second) }
        );
        GuestRange one = home.Allocate(100);
        GuestRange two = home.Allocate(1);
        GuestRange three = home.Allocate(155);

        Assert.Equal(256u, home.Exchange(0, [], [one, two, three]));

        byte[] bytes = [.. home.Bytes(one), .. home.Bytes(two), .. home.Bytes(three)];
        Assert.Equal([.. Enumerable.Range(0, 256).Select(static i => (byte)i)], bytes);
    }

    [Fact]
    [Clause("entropy.dev.001")]
    public void Request_LargerThanTheLimit_IsFilledUpToIt()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));
        GuestRange buffer = home.Allocate(RequestBytesMax + 100);

        Assert.Equal(RequestBytesMax, home.Exchange(0, [], [buffer]));

        Assert.All(home.Bytes(buffer)[(int)RequestBytesMax..].ToArray(), static b => Assert.Equal(0, b));
    }

    [Fact]
    public void Request_NothingToWrite_IsGivenBackEmpty()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));

        Assert.Equal(0u, home.Exchange(0, [home.Allocate(16)], []));

        Assert.Equal(QueueFault.None, home.FaultOf(0));
    }

    [Fact]
    public void Request_ReadablePart_IsIgnored()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new CountingEntropy()));
        GuestRange readable = home.Allocate([7, 7, 7, 7]);

        Assert.Equal(8u, home.Exchange(0, [readable], [home.Allocate(8)]));

        Assert.Equal([7, 7, 7, 7], home.Bytes(readable).ToArray());
    }

    [Fact]
    public void Device_HasOneQueueAndNothingElse()
    {
        using EntropyDevice device = new(new CountingEntropy());
        byte[] config = [1, 2, 3];

        device.ReadConfig(0, config);

        Assert.Equal(DeviceType.Entropy, device.Type);
        Assert.True(device.OfferedFeatures.IsEmpty);
        Assert.Equal("requestq", Assert.Single(device.Queues).Name);
        Assert.Equal(0, device.ConfigLengthBytes);
        Assert.Equal([0, 0, 0], config);
    }

    [Fact]
    public void Requests_OnceWarm_AllocateNothing()
    {
        using var home = LoopbackHome.Open(new EntropyDevice(new KernelEntropy()));
        GuestRange[] buffer = [home.Allocate(64)];

        Allocations.AssertNone(() =>
        {
            for (int round = 0; round < 10_000; round++)
            {
                home.Exchange(0, [], buffer);
            }
        });
    }

    [Fact]
    public void KernelEntropy_Megabyte_DoesNotRepeatItself()
    {
        byte[] bytes = new byte[1 << 20];
        new KernelEntropy().Fill(bytes);

        HashSet<ulong> words = [];
        for (int at = 0; at < bytes.Length; at += sizeof(ulong))
        {
            Assert.True(words.Add(BitConverter.ToUInt64(bytes, at)), "the same eight bytes twice in a megabyte");
        }
    }
}
