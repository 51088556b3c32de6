using System.IO.Compression;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Entropy;

/// <summary>Linux's virtio-rng driver on <c>vireo entropy</c>.</summary>
[TakesLong(60)]
public sealed class EntropyTests : GuestTest
{
    private const int SampleBytes = 1 << 20;

    private static readonly GuestConfiguration Plain = GuestConfiguration.Default with { Cpus = 1 };

    /// <summary>The sources of each guest; what is the same for all of one guest, such as the machine, is that of the first.</summary>
    public static TheoryData<GuestConfiguration[]> Guests =>
        [
            new([
                Plain,
                Plain with
                {
                    EventIndex = false,
                    IndirectDescriptors = false,
                },
                Plain with
                {
                    PackedRing = true,
                },
            ]),
            new([GuestConfiguration.OldQemu with { Cpus = 1 }]),
            new([GuestConfiguration.MicroVm with { Cpus = 1 }]),
            new([GuestConfiguration.VfioUser with { Cpus = 1, LineInterrupts = true }]),
        ];

    [Theory]
    [MemberData(nameof(Guests))]
    public void GuestReadsRandomnessThatDoesNotCompress(GuestConfiguration[] sources)
    {
        QemuCommand command = new(sources[0]) { HasUserland = false };
        foreach ((int index, GuestConfiguration source) in sources.Index())
        {
            string socket = InScratch($"rng{index}.sock");
            StartVireo(["entropy", .. source.HomeArguments(socket)]);
            command.WithServedEntropy(socket, source);
        }

        Guest guest = BootGuest(command);
        guest.RunTap(
            $$"""
            cd /sys/class/misc/hw_random
            is "the sources" "$(tr " " "\n" <rng_available | grep -c virtio_rng)" {{sources.Length}}
            for number in $(seq 0 {{sources.Length - 1}}); do
                echo virtio_rng.$number >rng_current
                is "the source" "$(cat rng_current)" virtio_rng.$number
                head -c {{SampleBytes}} /dev/hwrng >/host/sample$number
                is "the size of its sample" "$(stat -c %s /host/sample$number)" {{SampleBytes}}
            done
            done_testing
            """
        );
        guest.PowerOff();

        HashSet<string> samples = [];
        for (int index = 0; index < sources.Length; index++)
        {
            byte[] sample = File.ReadAllBytes(Path.Combine(guest.HostFolder, $"sample{index}"));
            Assert.Equal(SampleBytes, sample.Length);
            Assert.InRange(CompressedLength(sample), SampleBytes * 99 / 100, int.MaxValue);
            Assert.True(samples.Add(Convert.ToHexString(sample)), "two samples are the same");
        }
    }

    private static long CompressedLength(byte[] bytes)
    {
        using MemoryStream compressed = new();
        using (BrotliStream brotli = new(compressed, CompressionLevel.Optimal, leaveOpen: true))
        {
            brotli.Write(bytes);
        }

        return compressed.Length;
    }
}
