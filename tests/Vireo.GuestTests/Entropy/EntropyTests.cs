using System.IO.Compression;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Entropy;

/// <summary>Linux's virtio-rng driver on <c>vireo entropy</c>.</summary>
[TakesLong(120)]
public sealed class EntropyTests : GuestTest
{
    private const int SampleBytes = 1 << 20;

    public static TheoryData<GuestConfiguration> Configurations =>
        [
            GuestConfiguration.Default,
            GuestConfiguration.Default with
            {
                EventIndex = false,
                IndirectDescriptors = false,
            },
            GuestConfiguration.Default with
            {
                PackedRing = true,
            },
            GuestConfiguration.OldQemu,
            GuestConfiguration.MicroVm,
            GuestConfiguration.VfioUser with
            {
                LineInterrupts = true,
            },
        ];

    [Theory]
    [MemberData(nameof(Configurations))]
    public void GuestReadsRandomnessThatDoesNotCompress(GuestConfiguration configuration)
    {
        string socket = InScratch("rng.sock");
        StartVireo(["entropy", .. configuration.HomeArguments(socket)]);

        Guest guest = BootGuest(new QemuCommand(configuration) { HasUserland = false }.WithServedEntropy(socket));
        guest.RunTap(
            $$"""
            is "the entropy source" "$(cat /sys/class/misc/hw_random/rng_current)" virtio_rng.0
            head -c {{SampleBytes}} /dev/hwrng >/host/sample
            is "the size of the sample" "$(stat -c %s /host/sample)" {{SampleBytes}}
            done_testing
            """
        );

        byte[] sample = File.ReadAllBytes(Path.Combine(guest.HostFolder, "sample"));
        Assert.Equal(SampleBytes, sample.Length);
        Assert.InRange(CompressedLength(sample), SampleBytes * 99 / 100, int.MaxValue);
        guest.PowerOff();
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
