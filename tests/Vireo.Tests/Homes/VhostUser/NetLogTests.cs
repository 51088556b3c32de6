using Vireo.Backends.Net.Null;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>What a card brings while its guest is being moved: a page that the log does not have stays behind, and what TCP has vouched for with it.</summary>
public sealed class NetLogTests
{
    private const int Page = 4096;
    private const int LogAll = 26;
    private const int MergeReceiveBuffers = 15;
    private const ushort RingSize = 16;

    /// <summary>Three buffers for each frame.</summary>
    private const int FrameBytes = 5000;

    private const uint BufferBytes = 2048;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Received_WhileLogging_IsInTheLogPageByPage(bool isPacked)
    {
        using GeneratorPort port = new(FrameBytes);
        using HomeUnderTest home = new(new NetDevice(port));
        using FrontEnd frontEnd = home.Negotiate();
        using GuestRam ram = new();
        using var file = MemoryFile.Create("log", 4 << 20);
        using var log = MemoryMapping.Map(file.Handle, 0, (nuint)file.Size, MappingAccess.ReadWrite);
        frontEnd.Send(FrontEndRequest.SetLogBase, new LogDescription { LengthBytes = (ulong)file.Size }, file.Handle);
        frontEnd.Receive(FrontEndRequest.SetLogBase);
        int[] features = isPacked
            ? [MergeReceiveBuffers, CoreFeature.RingPacked, LogAll]
            : [MergeReceiveBuffers, LogAll];
        frontEnd.Accept(features);
        ram.Share(frontEnd);
        using TestRing ring = new(
            ram,
            0,
            RingSize,
            FeatureSet.Of(CoreFeature.Version1).WithIf(CoreFeature.RingPacked, isPacked)
        );
        ring.Configure(frontEnd);
        ring.Start(frontEnd);

        HashSet<ulong> expected = [];
        for (int index = 0; index < 40 * RingSize; index++)
        {
            // Each half a page further, and across the border of two.
            ulong place = GuestRam.BuffersAt + (ulong)index * BufferBytes + 1100;
            Assert.True(ring.Driver.TryAdd([], [new(GuestRam.At(place), BufferBytes)], tag: place));
            ring.Driver.Publish();
            ring.Kick.Signal();
            if (index >= RingSize - 1)
            {
                AddPages(expected, Take(ring));
            }
        }

        ring.Stop(frontEnd);

        Assert.InRange(expected.Count, 300, 400);
        foreach (ulong page in expected)
        {
            Assert.True(IsMarked(log, page), $"page 0x{page:x} was written and is not in the log");
        }
    }

    private static DriverCompletion Take(TestRing ring)
    {
        DriverCompletion completion = default;
        Assert.True(
            SpinWait.SpinUntil(() => ring.Driver.TryTake(out completion), FrontEnd.Patience),
            $"no frame comes ({ring.Driver.Fault})"
        );
        return completion;
    }

    /// <summary>The pages of a buffer that hold what came.</summary>
    private static void AddPages(HashSet<ulong> pages, DriverCompletion completion)
    {
        Assert.NotEqual(0u, completion.WrittenBytes);
        ulong first = GuestRam.At(completion.Tag).Value;
        for (ulong page = first / Page; page <= (first + completion.WrittenBytes - 1) / Page; page++)
        {
            pages.Add(page);
        }
    }

    private static bool IsMarked(MemoryMapping log, ulong page) =>
        (log.GetSpan(0, (int)log.Length)[(int)(page / 8)] >> (int)(page % 8) & 1) != 0;
}
