using System.Globalization;
using System.Runtime.InteropServices;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Linux;
using Vireo.Tests.Backends.Block.Images;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Simulation;

/// <summary>
/// Power that is lost between any two calls of the system: what the disk then holds is an image without corruption, in which every sector has what was
/// flushed, or something written later. VIREO_POWER_LOSSES says how often, VIREO_SEED from which seed.
/// </summary>
public sealed class Qcow2PowerLossTests : IDisposable
{
    private const int UsualLosses = 25;
    private const int SectorBytes = 512;
    private const int StepsPerImage = 150;
    private const long BackingVersion = -1;

    private readonly TemporaryFolder _folder = new();

    /// <summary>What each sector had when it was last flushed.</summary>
    private long[] _flushed = [];

    /// <summary>What was written to it since then, or is being written.</summary>
    private List<long>[] _later = [];

    private byte[]? _backing;
    private long _version;
    private int _losses;
    private string _where = "";

    public static TheoryData<int, int, bool, bool, int, bool> Variants =>
        new()
        {
            { 512, 3, false, false, 16, false },
            { 512, 3, false, true, 16, true },
            { 512, 3, false, false, 64, false },
            { 512, 2, false, false, 16, true },
            { 4096, 3, false, false, 1, true },
            { 16384, 3, true, false, 16, true },
            { 16384, 3, true, true, 64, false },
            { 65536, 3, false, false, 16, false },
        };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Variants))]
    public void PowerLoss_AtAnyCall_LosesNothingFlushed(
        int clusterBytes,
        int version,
        bool isExtended,
        bool isLazy,
        int refcountBits,
        bool hasBacking
    )
    {
        int seed = Number("VIREO_SEED", clusterBytes + refcountBits);
        int most = Number("VIREO_POWER_LOSSES", UsualLosses);
        Qcow2Options options = new()
        {
            LengthBytes = clusterBytes == SectorBytes ? 1 << 20 : 2 << 20,
            ClusterBytes = clusterBytes,
            Version = version,
            HasExtendedL2 = isExtended,
            HasLazyRefcounts = isLazy,
            RefcountBits = refcountBits,
            BackingName = hasBacking ? "behind" : null,
            BackingFormat = hasBacking ? "raw" : null,
        };
        _losses = 0;
        for (int round = 0; _losses < most; round++)
        {
            _where = $"seed {seed + round}, cluster {clusterBytes}, version {version}";
            Run(options, new(seed + round));
        }
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : otherwise;

    private void Run(Qcow2Options options, Random random)
    {
        int sectors = (int)(options.LengthBytes / SectorBytes);
        _flushed = new long[sectors];
        _later = [.. Enumerable.Range(0, sectors).Select(static _ => new List<long>())];
        _backing = options.BackingName is null ? null : new byte[options.LengthBytes];
        for (int sector = 0; sector < sectors && _backing is not null; sector++)
        {
            _flushed[sector] = BackingVersion;
            Fill(_backing.AsSpan(sector * SectorBytes, SectorBytes), sector, BackingVersion);
        }

        Qcow2Image.Create(_folder["new.qcow2"], options);
        SimulatedImageFile file = new(File.ReadAllBytes(_folder["new.qcow2"]));
        using Qcow2Image image = Open(file);
        file.Changing = () =>
        {
            if (random.Next(60) == 0)
            {
                _losses++;
                Check(file.LosePower(random), options);
            }
        };

        // Now and then the disk of the host is full for a while.
        bool isFull = false;
        file.Fault = (call, _, _) => isFull && call == SimulatedCall.Write && random.Next(6) == 0 ? Errno.ENOSPC : null;
        for (int step = 0; step < StepsPerImage; step++)
        {
            isFull = random.Next(8) == 0 ? !isFull && random.Next(3) == 0 : isFull;
            try
            {
                Step(image, sectors, random);
            }
            catch (LinuxException exception) when (exception.Error == Errno.ENOSPC && isFull)
            {
                // Whatever of it was done may stay or not; what comes later goes on from there.
            }
        }

        file.Fault = null;
        Flush(image);
        Check(file.LosePower(random), options);
    }

    private void Step(Qcow2Image image, int sectors, Random random)
    {
        int count = Math.Min(sectors, random.Next(1, random.Next(4) == 0 ? 200 : 12));
        int first = random.Next(sectors - count + 1);
        switch (random.Next(10))
        {
            case < 6:
                byte[] bytes = new byte[count * SectorBytes];
                _version++;
                for (int index = 0; index < count; index++)
                {
                    Fill(bytes.AsSpan(index * SectorBytes, SectorBytes), first + index, _version);
                    _later[first + index].Add(_version);
                }

                image.Write((long)first * SectorBytes, bytes);
                break;
            case < 8:
                _later.AsSpan(first, count).ToArray().ToList().ForEach(static later => later.Add(0));
                image.WriteZeroes((long)first * SectorBytes, (long)count * SectorBytes, random.Next(2) == 0);
                break;
            case 8:
                _later.AsSpan(first, count).ToArray().ToList().ForEach(static later => later.Add(0));
                image.Discard((long)first * SectorBytes, (long)count * SectorBytes);
                break;
            default:
                Flush(image);
                break;
        }
    }

    private void Flush(Qcow2Image image)
    {
        image.Flush();
        byte[] sector = new byte[SectorBytes];
        for (int index = 0; index < _flushed.Length; index++)
        {
            if (_later[index].Count == 0)
            {
                continue;
            }

            image.Read((long)index * SectorBytes, sector);
            _flushed[index] = VersionIn(sector, index);
            _later[index].Clear();
        }
    }

    private Qcow2Image Open(SimulatedImageFile file)
    {
        var image = Qcow2Image.Open(file);
        if (_backing is not null)
        {
            image.SetBacking(new RawImage(new SimulatedImageFile(_backing, isReadOnly: true), 0, _backing.Length));
        }

        return image;
    }

    private void Check(byte[] disk, Qcow2Options options)
    {
        SimulatedImageFile file = new(disk);
        if (!options.HasLazyRefcounts)
        {
            AssertWhole(file);
        }

        // Opening repairs what may be late.
        using Qcow2Image image = Open(file);
        AssertWhole(file);
        byte[] sector = new byte[SectorBytes];
        for (int index = 0; index < _flushed.Length; index++)
        {
            image.Read((long)index * SectorBytes, sector);
            long version = VersionIn(sector, index);
            Assert.True(
                version == _flushed[index] || _later[index].Contains(version),
                $"{_where}: sector {index} has version {version}, and not {_flushed[index]} or one of {string.Join(", ", _later[index])}"
            );
        }
    }

    private void AssertWhole(SimulatedImageFile file)
    {
        Qcow2Header header = Qcow2Image.ReadHeader(file);
        Qcow2CheckResult result = Qcow2Checker.Check(file, header, [], Qcow2Repair.None);
        Assert.True(result.Corruptions == 0, $"{_where}: {string.Join("; ", result.Messages)}");
    }

    private static void Fill(Span<byte> sector, int index, long version)
    {
        Span<long> words = MemoryMarshal.Cast<byte, long>(sector);
        for (int word = 0; word < words.Length; word += 2)
        {
            (words[word], words[word + 1]) = (index, version);
        }
    }

    private long VersionIn(byte[] sector, int index)
    {
        long version = MemoryMarshal.Cast<byte, long>(sector)[1];
        byte[] expected = new byte[SectorBytes];
        Fill(expected, version == 0 ? 0 : index, version);
        Assert.True(sector.AsSpan().SequenceEqual(expected), $"{_where}: sector {index} has what nobody wrote");
        return version;
    }
}
