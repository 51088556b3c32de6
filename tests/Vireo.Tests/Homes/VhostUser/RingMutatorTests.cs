using System.Diagnostics;
using System.Globalization;
using Vireo.Backends.Block.Memory;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>
/// A driver that follows the rules, and beside it a thread that writes into the same rings while the device reads them. Runs for two seconds, or
/// as many as VIREO_FUZZ_SECONDS says, from the seed VIREO_FUZZ_SEED if there is one.
/// </summary>
/// <remarks>The seed fixes what is written where; when it meets the device is up to the processors.</remarks>
[Collection(DescriptorCountCollection.Name)]
public sealed class RingMutatorTests(ITestOutputHelper output)
{
    private const int Rings = 2;
    private const ushort Size = 16;
    private const int RequestsPerRound = 200;

    /// <summary>The bytes of a ring's areas, from the beginning of its place: descriptors, then driver, then device area.</summary>
    private static readonly (int Start, int Length)[] Areas =
    [
        (0, Size * 16),
        (0x8000, 6 + 2 * Size),
        (0xc000, 6 + 8 * Size),
    ];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rings_ThatChangeUnderTheDevice_LeaveTheHomeAliveAndNothingBehind(bool isPacked)
    {
        int seed = Number("VIREO_FUZZ_SEED", Random.Shared.Next());
        var time = TimeSpan.FromSeconds(Number("VIREO_FUZZ_SECONDS", 2));
        long begin = Stopwatch.GetTimestamp();
        output.WriteLine($"first seed {seed}");
        using MemoryDisk disk = new(1 << 12);
        using HomeUnderTest home = new(new BlockDevice(disk, new() { QueueCount = Rings }), loopCount: 2);
        Check(home);
        int before = DescriptorCountCollection.Count();
        int rounds = 0;
        while (Stopwatch.GetElapsedTime(begin) < time)
        {
            RunOne(home, isPacked, seed);
            seed = unchecked(seed + 1);
            rounds++;
        }

        output.WriteLine($"{rounds} rounds, last seed {seed - 1}");
        Check(home);
        Assert.True(
            SpinWait.SpinUntil(() => DescriptorCountCollection.Count() <= before, FrontEnd.Patience),
            "descriptors were left open"
        );
    }

    private static void RunOne(HomeUnderTest home, bool isPacked, int seed)
    {
        using GuestRam ram = new(2 << 20);
        using FrontEnd frontEnd = ConnectWhenFree(home);
        int[] features = isPacked
            ? [CoreFeature.RingPacked, CoreFeature.IndirectDescriptors]
            : [CoreFeature.EventIndex, CoreFeature.IndirectDescriptors];
        frontEnd.Accept(features);
        ram.Share(frontEnd);
        using TestRing first = ram.Start(frontEnd, 0, Size, features);
        using TestRing second = ram.Start(frontEnd, 1, Size, features);
        frontEnd.Settle();
        Random random = new(seed);
        Thread mutator = new(() => Mutate(ram, new Random(seed)));
        mutator.Start();
        try
        {
            for (int count = 0; count < RequestsPerRound; count++)
            {
                Drive(ram, count % 2 == 0 ? first : second, random);
            }
        }
        finally
        {
            mutator.Join();
        }

        // A broken ring may have cost the driver its device, never the connection its answer.
        frontEnd.Settle();
        first.Stop(frontEnd);
        frontEnd.Settle();
    }

    /// <summary>What a driver does, while it can: its own view of the ring may be broken, too.</summary>
    private static void Drive(GuestRam ram, TestRing ring, Random random)
    {
        ulong slot = GuestRam.BuffersAt + (ulong)random.Next(64) * 1024;
        BlockRequestHeader header = new((BlockRequestType)random.Next(16), (ulong)random.Next(1 << 13));
        ram.Memory.TryWrite(GuestRam.At(slot), Wire.Bytes(ref header));
        GuestRange data = new(GuestRam.At(slot + 64), 512);
        GuestRange status = new(GuestRam.At(slot + 600), 1);
        GuestRange head = new(GuestRam.At(slot), 16);
        _ =
            random.Next(2) == 0
                ? ring.Driver.TryAdd([head, data], [status], slot)
                : ring.Driver.TryAdd([head], [data, status], slot);
        ring.Driver.Publish();
        ring.Kick.Signal();
        while (ring.Driver.TryTake(out _)) { }
    }

    private static void Mutate(GuestRam ram, Random random)
    {
        for (int count = 0; count < RequestsPerRound * 10; count++)
        {
            (int start, int length) = Areas[random.Next(Areas.Length)];
            int at = random.Next(Rings) * 0x1_0000 + start + random.Next(length);
            byte value = random.Next(4) switch
            {
                0 => 0,
                1 => 0xff,
                2 => (byte)random.Next(8),
                _ => (byte)random.Next(256),
            };
            Volatile.Write(ref ram.Bytes[at], value);
            Thread.SpinWait(random.Next(200));
        }
    }

    private static void Check(HomeUnderTest home)
    {
        using GuestRam ram = new(2 << 20);
        using FrontEnd frontEnd = ConnectWhenFree(home);
        frontEnd.Accept();
        ram.Share(frontEnd);
        using TestRing ring = ram.Start(frontEnd, 0, Size);
        BlockRequestHeader header = new(BlockRequestType.In, 0);
        ram.Memory.TryWrite(GuestRam.At(GuestRam.BuffersAt), Wire.Bytes(ref header));
        GuestRange status = new(GuestRam.At(GuestRam.BuffersAt + 1024), 1);
        ring.Driver.TryAdd(
            [new(GuestRam.At(GuestRam.BuffersAt), 16)],
            [new(GuestRam.At(GuestRam.BuffersAt + 64), 512), status],
            0
        );
        ring.Driver.Publish();
        ring.Kick.Signal();
        Assert.True(
            SpinWait.SpinUntil(() => ring.Driver.TryTake(out _), FrontEnd.Patience),
            "the device answers no more"
        );
        ring.Stop(frontEnd);
    }

    /// <summary>The home may still be busy with the end of the last connection.</summary>
    private static FrontEnd ConnectWhenFree(HomeUnderTest home)
    {
        long begin = Stopwatch.GetTimestamp();
        while (true)
        {
            FrontEnd frontEnd = home.Connect();
            if (frontEnd.TryNegotiate())
            {
                frontEnd.Negotiate();
                return frontEnd;
            }

            frontEnd.Dispose();
            Assert.True(Stopwatch.GetElapsedTime(begin) < FrontEnd.Patience, "nobody is let in any more");
        }
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : otherwise;
}
