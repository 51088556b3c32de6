using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Qcow2;

/// <summary>Random work on an image beside the same work on an array of bytes.</summary>
public sealed class Qcow2ModelTests : IDisposable
{
    private const int DiskBytes = 3 * 1024 * 1024 + 1536;
    private const int Steps = 300;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<int, int, int, bool, bool, int, bool> Variants =>
        new()
        {
            { 1, 65536, 3, false, false, 16, false },
            { 2, 512, 3, false, false, 16, true },
            { 3, 4096, 2, false, false, 16, false },
            { 4, 4096, 2, false, false, 16, true },
            { 5, 65536, 3, true, false, 1, false },
            { 6, 16384, 3, true, true, 64, true },
            { 7, 2 << 20, 3, false, true, 8, true },
            { 8, 512, 2, false, false, 16, false },
            { 9, 32768, 3, true, false, 2, true },
            { 10, 1024, 3, false, true, 4, true },
        };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Variants))]
    public void RandomWork_IsWhatAnArrayOfBytesHolds(
        int seed,
        int clusterBytes,
        int version,
        bool isExtended,
        bool isLazy,
        int refcountBits,
        bool hasBacking
    )
    {
        Random random = new(seed);
        byte[] model = new byte[DiskBytes];
        string path = _folder["model.qcow2"];
        if (hasBacking)
        {
            // Shorter than the disk: what lies behind its end is zeroes.
            byte[] behind = new byte[2 * 1024 * 1024 + 512];
            random.NextBytes(behind);
            File.WriteAllBytes(_folder["behind.raw"], behind);
            behind.CopyTo(model, 0);
        }

        Qcow2Options options = new()
        {
            LengthBytes = DiskBytes,
            ClusterBytes = clusterBytes,
            Version = version,
            HasExtendedL2 = isExtended,
            HasLazyRefcounts = isLazy,
            RefcountBits = refcountBits,
            BackingName = hasBacking ? "behind.raw" : null,
            BackingFormat = hasBacking ? "raw" : null,
        };
        Qcow2Image.Create(path, options);
        DiskImage image = DiskImages.Open(path);
        try
        {
            for (int step = 0; step < Steps; step++)
            {
                Step(ref image, path, random, model);
            }

            AssertEqual(image, model, 0, DiskBytes);
        }
        finally
        {
            image.Dispose();
        }

        Qcow2CheckResult result = Qcow2Image.Check(path, Qcow2Repair.None);
        Assert.Equal([], result.Messages);
        using DiskImage again = DiskImages.Open(path, new() { IsReadOnly = true });
        AssertEqual(again, model, 0, DiskBytes);
    }

    private static void Step(ref DiskImage image, string path, Random random, byte[] model)
    {
        int most = random.Next(4) == 0 ? 512 * 1024 : 20_000;
        int length = random.Next(1, most);
        int offset = random.Next(DiskBytes - length);
        switch (random.Next(12))
        {
            case < 5:
                random.NextBytes(model.AsSpan(offset, length));
                image.Write(offset, model.AsSpan(offset, length));
                break;
            case < 7:
                AssertEqual(image, model, offset, length);
                break;
            case < 9:
                model.AsSpan(offset, length).Clear();
                image.WriteZeroes(offset, length, mayUnmap: random.Next(2) == 0);
                break;
            case 9:
                // What was discarded may be anything; the model takes what the image says, and the rest has to be as it was.
                byte[] before = model[offset..(offset + length)];
                image.Discard(offset, length);
                image.Read(offset, model.AsSpan(offset, length));
                AssertZeroOrSame(before, model.AsSpan(offset, length));
                break;
            case 10:
                image.Flush();
                break;
            default:
                image.Dispose();
                image = DiskImages.Open(path);
                break;
        }
    }

    private static void AssertZeroOrSame(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after)
    {
        for (int index = 0; index < before.Length; index++)
        {
            Assert.True(after[index] == 0 || after[index] == before[index]);
        }
    }

    private static void AssertEqual(DiskImage image, byte[] model, int offset, int length)
    {
        byte[] found = new byte[length];
        image.Read(offset, found);
        int wrong = found.AsSpan().CommonPrefixLength(model.AsSpan(offset, length));
        Assert.True(wrong == length, $"byte {offset + wrong} is not what was written");
    }
}
