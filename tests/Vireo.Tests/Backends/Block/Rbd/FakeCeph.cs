using System.Runtime.InteropServices;
using Vireo.Backends.Block.Rbd;
using Vireo.Tests.Abi;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Rbd;

/// <summary>A cluster of files behind libraries that gcc has made of <c>fake_rbd.c</c>; each test's own, with its counters.</summary>
internal sealed class FakeCeph : IDisposable
{
    private const string RadosName = "librados.so.2";
    private const string RbdName = "librbd.so.1";

    private static readonly Lazy<(byte[] Rados, byte[] Rbd)> Made = new(Make);

    private readonly TemporaryFolder _folder = new();

    public FakeCeph(long imageBytes = 8 * 1024 * 1024)
    {
        File.WriteAllBytes(_folder[RadosName], Made.Value.Rados);
        File.WriteAllBytes(_folder[RbdName], Made.Value.Rbd);
        File.WriteAllText(Configuration, $"folder={_folder.Path}\n");
        Resize(imageBytes);
    }

    public string LibraryFolder => _folder.Path;

    public string Configuration => _folder["ceph.conf"];

    /// <summary>The image <c>pool/disk</c>.</summary>
    public string ImageFile => _folder["pool.disk"];

    public RbdAddress Address => RbdAddress.Parse($"rbd:pool/disk:conf={Configuration}");

    /// <summary>Images, completions, clusters and pools that have not been given back.</summary>
    public int Live => Read(RbdName, "fake_live") + Read(RadosName, "fake_rados_live");

    public int Flushes => Read(RbdName, "fake_flushes");

    public void Resize(long lengthBytes)
    {
        using FileStream file = new(ImageFile, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(lengthBytes);
    }

    /// <summary>Requests that touch this byte end with EIO.</summary>
    public void FailAt(long offset) => Marshal.WriteInt64(Find(RbdName, "fake_eio_at"), offset);

    /// <summary>Writes that touch this byte end with ENOSPC.</summary>
    public void FillAt(long offset) => Marshal.WriteInt64(Find(RbdName, "fake_nospace_at"), offset);

    /// <summary>Requests are not taken at all.</summary>
    public void Refuse() => Marshal.WriteInt32(Find(RbdName, "fake_refuses"), 1);

    public void Dispose() => _folder.Dispose();

    private static (byte[] Rados, byte[] Rbd) Make()
    {
        using TemporaryFolder folder = new();
        string source = folder["fake_rbd.c"];
        using (Stream text = typeof(FakeCeph).Assembly.GetManifestResourceStream("fake_rbd.c")!)
        using (FileStream file = File.Create(source))
        {
            text.CopyTo(file);
        }

        CCompiler.MakeLibrary(source, folder[RadosName], "-DIS_RADOS");
        CCompiler.MakeLibrary(source, folder[RbdName]);
        return (File.ReadAllBytes(folder[RadosName]), File.ReadAllBytes(folder[RbdName]));
    }

    private int Read(string library, string name) => Marshal.ReadInt32(Find(library, name));

    private nint Find(string library, string name) =>
        NativeLibrary.GetExport(NativeLibrary.Load(_folder[library]), name);
}
