namespace Vireo.GuestTests.Block.Images;

/// <summary>A qcow2 image that a seed describes: how it is made, and what is done to it.</summary>
public sealed class GeneratedImage
{
    private static readonly int[] ClusterSizes = [512, 1024, 4096, 16384, 65536, 65536, 262144, 2097152];

    /// <summary>What qemu-io and the seed's disk of bytes may work on: a multiple of 512.</summary>
    public const int DiskBytes = 5 * 1024 * 1024 + 512;

    public GeneratedImage(int seed)
    {
        Seed = seed;
        Random = new(seed);
        ClusterBytes = ClusterSizes[Random.Next(ClusterSizes.Length)];
        Version = Random.Next(4) == 0 ? 2 : 3;
        IsExtended = Version == 3 && ClusterBytes >= 16384 && Random.Next(3) == 0;
        IsLazy = Version == 3 && Random.Next(3) == 0;
        RefcountBits = Version == 3 ? 1 << Random.Next(7) : 16;
        IsZstd = Version == 3 && Random.Next(2) == 0;
        HasBacking = Random.Next(3) == 0;
    }

    public int Seed { get; }

    public Random Random { get; }

    public int ClusterBytes { get; }

    public int Version { get; }

    public bool IsExtended { get; }

    public bool IsLazy { get; }

    public int RefcountBits { get; }

    public bool IsZstd { get; }

    public bool HasBacking { get; }

    /// <summary>The options of qemu-img create.</summary>
    public string QemuOptions =>
        $"cluster_size={ClusterBytes},compat={(Version == 2 ? "0.10" : "1.1")}"
        + (
            Version == 2
                ? ""
                : $",lazy_refcounts={(IsLazy ? "on" : "off")},refcount_bits={RefcountBits},extended_l2={(IsExtended ? "on" : "off")},compression_type={(IsZstd ? "zstd" : "zlib")}"
        );

    /// <summary>The options of vireo image create.</summary>
    public string[] VireoOptions =>
        [
            "--cluster-size",
            $"{ClusterBytes}",
            "--compat",
            $"{Version}",
            "--refcount-bits",
            $"{RefcountBits}",
            "--compression",
            IsZstd ? "zstd" : "zlib",
            .. IsLazy ? (string[])["--lazy-refcounts"] : [],
            .. IsExtended ? (string[])["--extended-l2"] : [],
        ];

    /// <summary>What a backing image holds, if there is one; shorter than the disk now and then.</summary>
    public byte[] BackingBytes()
    {
        byte[] bytes = new byte[Random.Next(2) == 0 ? DiskBytes : 3 * 1024 * 1024];
        Random.NextBytes(bytes.AsSpan(0, bytes.Length / 2));
        return bytes;
    }

    /// <summary>Work for qemu-io: writes, zeroes, discards and, at the beginning, compressed clusters.</summary>
    public IEnumerable<string> Commands(bool compresses = true)
    {
        // QEMU refuses to write compressed data where there are any.
        HashSet<int> taken = [];
        for (int count = compresses ? Random.Next(4) : 0; count > 0; count--)
        {
            int cluster = Random.Next(DiskBytes / ClusterBytes);
            if (taken.Add(cluster))
            {
                yield return $"write -c -P {Random.Next(1, 256)} {(long)cluster * ClusterBytes} {ClusterBytes}";
            }
        }

        for (int count = 6 + Random.Next(20); count > 0; count--)
        {
            int length = Random.Next(1, Random.Next(3) == 0 ? 1500 : 60) * 512;
            int offset = Random.Next((DiskBytes - length) / 512) * 512;
            yield return Random.Next(8) switch
            {
                0 => $"write -z {offset} {length}",
                1 => $"write -z -u {offset} {length}",
                2 => $"discard {offset} {length}",
                _ => $"write -P {Random.Next(1, 256)} {offset} {length}",
            };
        }

        yield return "flush";
    }
}
