using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loopback;

namespace Vireo.Tests.Simulation;

/// <summary>A million chains of a driver that means harm: no crash, no hang, no write outside memory, and a reset mends everything.</summary>
/// <remarks>Seeded; the seed is printed. Set VIREO_SEED to repeat a run, VIREO_CHAINS for more or fewer chains of each kind.</remarks>
public sealed class HostileDriverTests
{
    /// <summary>Behind the last byte of guest memory.</summary>
    internal const ulong MemoryEnd = MemoryBase + MemoryBytes;

    private const ulong MemoryBase = 0x1_0000_0000;
    private const ulong MemoryBytes = 128 * 1024;
    private const int GuardBytes = 64 * 1024;
    private const byte Guard = 0x93;
    private const int ChainsOfEachKind = 130_000;

    private static readonly int Seed = Number("VIREO_SEED", Random.Shared.Next());
    private static readonly int Chains = Number("VIREO_CHAINS", ChainsOfEachKind);

    public static TheoryData<bool, bool, bool> Kinds =>
        new()
        {
            { false, false, false },
            { false, false, true },
            { false, true, false },
            { false, true, true },
            { true, false, false },
            { true, false, true },
            { true, true, false },
            { true, true, true },
        };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void HostileChains_AreRefusedOrAnswered_AndTheDeviceRecovers(bool isBlock, bool isPacked, bool isInOrder)
    {
        string where = $"VIREO_SEED={Seed} {(isBlock ? "block" : "entropy")} packed={isPacked} in_order={isInOrder}";
        using HostileTarget target = isBlock ? new HostileBlock() : new HostileEntropy();
        using OwnedMemory memory = new(MemoryBytes + 2 * GuardBytes);
        MemoryRegion all = memory.At(new(MemoryBase - GuardBytes));
        BytesOf(all, 0, GuardBytes).Fill(Guard);
        BytesOf(all, GuardBytes + (int)MemoryBytes, GuardBytes).Fill(Guard);
        HostileDriver? driver = null;
        try
        {
            using var home = LoopbackHome.Open(
                target.CreateDevice(),
                new()
                {
                    Memory = new(new(MemoryBase), MemoryBytes, memory.Address + GuardBytes),
                    // Packed rings need not be a power of two.
                    QueueSize = (ushort)(isPacked ? 21 : 16),
                    RingFeatures = FeatureSet
                        .Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex)
                        .WithIf(CoreFeature.RingPacked, isPacked)
                        .WithIf(CoreFeature.InOrder, isInOrder),
                }
            );
            driver = new(home, target, new Random(HashCode(Seed, isBlock, isPacked, isInOrder)));
            if (target is HostileEntropy entropy)
            {
                entropy.Meanwhile = driver.Disturb;
            }

            for (int attack = 0; driver.Chains < Chains; attack++)
            {
                Assert.True(attack < 3 * Chains + 1000, "too few of the chains were looked at");
                driver.Attack();
            }

            driver.Recover();
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException(
                $"{where}: after {driver?.Chains} chains: {exception.Message}",
                exception
            );
        }

        Assert.Equal(-1, BytesOf(all, 0, GuardBytes).IndexOfAnyExcept(Guard));
        Assert.Equal(-1, BytesOf(all, GuardBytes + (int)MemoryBytes, GuardBytes).IndexOfAnyExcept(Guard));
        Console.WriteLine(
            $"{where}: {driver.Chains} chains, {driver.Faults} faults of {driver.FaultKinds.Count} kinds"
        );
        AssertReached(driver, isPacked);
    }

    /// <summary>An attack that never meets a check proves nothing about it.</summary>
    private static void AssertReached(HostileDriver driver, bool isPacked)
    {
        if (Chains < ChainsOfEachKind)
        {
            return;
        }

        List<QueueFault> expected =
        [
            QueueFault.DescriptorOutsideTable,
            QueueFault.ChainTooLarge,
            QueueFault.ReadableAfterWritable,
            QueueFault.BadAddress,
            QueueFault.IndirectNested,
            QueueFault.IndirectLength,
            isPacked ? QueueFault.ListIncomplete : QueueFault.IndexJump,
        ];
        Assert.Empty(expected.Except(driver.FaultKinds));
    }

    private static unsafe Span<byte> BytesOf(MemoryRegion region, int start, int length) =>
        new((void*)(region.HostAddress + start), length);

    /// <summary>A seed for each kind, the same in every process.</summary>
    private static int HashCode(int seed, bool isBlock, bool isPacked, bool isInOrder) =>
        seed ^ ((isBlock ? 7919 : 0) + (isPacked ? 104729 : 0) + (isInOrder ? 1299709 : 0));

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int value) ? value : otherwise;
}
