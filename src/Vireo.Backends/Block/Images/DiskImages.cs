using Vireo.Backends.Block.Nbd;
using Vireo.Backends.Block.Qcow2;
using Vireo.Backends.Block.Raw;
using Vireo.Backends.Block.Rbd;
using Vireo.Backends.Block.Vdi;
using Vireo.Backends.Block.Vhd;
using Vireo.Backends.Block.Vhdx;
using Vireo.Backends.Block.Vmdk;
using Vireo.Linux.Events;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Images;

/// <summary>Opens images of any format, with all that stands behind them.</summary>
public static class DiskImages
{
    /// <summary>A chain of backing images is at most so long.</summary>
    private const int ChainMax = 64;

    /// <summary>Opens an image.</summary>
    /// <param name="path">The file, or the URI of an NBD export.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <returns>The image, the caller's.</returns>
    /// <exception cref="ImageException">It is not what it should be.</exception>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use.</exception>
    public static DiskImage Open(string path, ImageOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new();
        RefuseRbd(path);
        return NbdAddress.IsAddress(path) ? OpenExport(path, options) : Open(path, options, []);
    }

    /// <summary>Looks at the first bytes of a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>What it looks like; raw when it looks like nothing else.</returns>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    public static ImageFormat Probe(string path)
    {
        if (NbdAddress.IsAddress(path))
        {
            // The server knows about formats.
            return ImageFormat.Raw;
        }

        RefuseRbd(path);
        using var file = ImageFile.Open(path, isReadOnly: true, isLocked: false);
        return Probe(file);
    }

    /// <summary>An RBD image is a disk, and no file that can be read a piece at a time.</summary>
    private static void RefuseRbd(string path)
    {
        if (RbdAddress.IsAddress(path))
        {
            throw new ImageException(
                $"'{path}' is an RBD image, which 'vireo block' serves; copies and what stands behind an image are qemu-img's ('qemu-img convert {path} copy.qcow2')"
            );
        }
    }

    /// <summary>Opens an image as a disk.</summary>
    /// <param name="path">The file.</param>
    /// <param name="image">How the image is opened. What <paramref name="disk"/> says, too, is taken from there.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's and outlive the disk.</param>
    /// <param name="disk">How its file is used.</param>
    /// <returns>The disk, the caller's: also <see cref="IDisposable"/>.</returns>
    /// <exception cref="ImageException">It is not what it should be.</exception>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It cannot be a disk, is in use, or an option does not fit it.</exception>
    public static ImageDisk OpenDisk(string path, ImageOptions image, EventLoopGroup loops, RawDiskOptions disk)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(loops);
        ArgumentNullException.ThrowIfNull(disk);
        bool isReadOnly = disk.IsReadOnly || image.Snapshot is not null;

        // The locks are the raw disk's: a second descriptor of ours would find itself locked out. Blocks are the image's, not the file's.
        var file = RawDisk.Open(path, loops, disk with { IsReadOnly = isReadOnly, LogicalBlockBytes = 0 });
        try
        {
            DiskImage opened = Open(
                path,
                image with
                {
                    IsReadOnly = isReadOnly,
                    IsLocked = false,
                    IsUnsafe = disk.Cache == CacheMode.Unsafe,
                }
            );
            return new(opened, file, loops, disk);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens an image so that it stays as it is: what is written goes to an image that is gone at the end.</summary>
    /// <param name="path">The file.</param>
    /// <param name="image">How the image is opened; its format has to be said.</param>
    /// <param name="loops">The loops of the home. They stay the caller's and outlive the disk.</param>
    /// <param name="disk">How the temporary file is used; the cache mode is always unsafe.</param>
    /// <returns>The disk, the caller's.</returns>
    /// <exception cref="ImageException">It is not what it should be.</exception>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use for writing.</exception>
    public static ImageDisk OpenOverlay(string path, ImageOptions image, EventLoopGroup loops, RawDiskOptions disk)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(disk);
        ImageFormat format = image.Format ?? Probe(path);
        long length;
        using (DiskImage behind = Open(path, image with { Format = format, IsReadOnly = true, IsLocked = false }))
        {
            length = behind.LengthBytes;
        }

        // A folder of our own: nobody else can put anything into it, or see it.
        DirectoryInfo folder = Directory.CreateTempSubdirectory("vireo-");
        try
        {
            string overlay = Path.Combine(folder.FullName, "overlay.qcow2");
            Qcow2Options options = new()
            {
                LengthBytes = (length + 511) / 512 * 512,
                BackingName = NbdAddress.IsAddress(path) ? path : Path.GetFullPath(path),
                BackingFormat = ImageFormats.NameOf(format),
            };
            Qcow2Image.Create(overlay, options);
            return OpenDisk(
                overlay,
                new() { Format = ImageFormat.Qcow2, Warn = image.Warn },
                loops,
                disk with
                {
                    Cache = CacheMode.Unsafe,
                    IsReadOnly = false,
                }
            );
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Makes a raw image that takes no room until it is written.</summary>
    /// <param name="path">The file; one that exists is cut to nothing.</param>
    /// <param name="lengthBytes">Its length.</param>
    /// <exception cref="Linux.LinuxException">The kernel refused.</exception>
    /// <exception cref="Core.Contract.DeviceException">It is in use.</exception>
    public static void CreateRaw(string path, long lengthBytes)
    {
        using var file = ImageFile.Create(path);
        if (file.IsRegular)
        {
            file.Resize(lengthBytes);
        }
        else if (file.LengthBytes < lengthBytes)
        {
            throw new ImageException($"'{path}' has {file.LengthBytes} bytes, fewer than {lengthBytes}");
        }
    }

    /// <summary>Writes a cluster, compressed if that makes it smaller, into an image that was just made.</summary>
    /// <param name="image">A qcow2 image.</param>
    /// <param name="offset">First byte of the cluster.</param>
    /// <param name="source">The cluster; fewer bytes at the end of the disk only.</param>
    /// <exception cref="ImageException">The format does not compress.</exception>
    public static void WriteCompressed(DiskImage image, long offset, ReadOnlySpan<byte> source)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (image is not Qcow2Image qcow2)
        {
            throw new ImageException(
                $"'{image.Path}' is a {ImageFormats.NameOf(image.Format)} image, which is not compressed"
            );
        }

        if (!qcow2.TryWriteCompressed(offset, source))
        {
            image.Write(offset, source);
        }
    }

    /// <summary>Opens the image behind another one, so that it can be written.</summary>
    /// <param name="overlay">An image that was opened without what is behind it.</param>
    /// <returns>The image behind it, the caller's.</returns>
    /// <exception cref="ImageException">There is none, or it is not what it should be.</exception>
    public static DiskImage OpenBackingForWriting(DiskImage overlay)
    {
        ArgumentNullException.ThrowIfNull(overlay);
        if (overlay is not Qcow2Image { BackingName: { } name } image)
        {
            throw new ImageException($"'{overlay.Path}' has no backing image");
        }

        ImageFormat format =
            image.BackingFormat is { } word && ImageFormats.TryParse(word) is { } known
                ? known
                : throw new ImageException(
                    $"'{overlay.Path}' does not say which format its backing image has; say it with 'qemu-img rebase -u -b FILE -F FORMAT'"
                );
        List<(ulong Device, ulong Inode)> chain = [];
        Enter(chain, overlay.Path);
        return Open(BackingPath(overlay.Path, name), new() { Format = format }, chain);
    }

    /// <summary>Makes an image say nothing, so that all of it is read from its backing image.</summary>
    /// <param name="image">An image that was opened without what is behind it.</param>
    public static void Empty(DiskImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        image.Discard(0, image.LengthBytes);
        image.Flush();
    }

    /// <summary>The path of a backing image.</summary>
    /// <param name="path">The image whose header names it.</param>
    /// <param name="name">The name in the header.</param>
    /// <exception cref="ImageException">The name is of a kind that Vireo does not open.</exception>
    public static string BackingPath(string path, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.StartsWith("file:", StringComparison.Ordinal))
        {
            name = name["file:".Length..];
        }

        int colon = name.IndexOf(':', StringComparison.Ordinal);
        int slash = name.IndexOf('/', StringComparison.Ordinal);
        if (colon > 0 && (slash < 0 || colon < slash))
        {
            throw new ImageException(
                $"'{path}' has the backing image '{name}'; only files are supported, so write a path without a protocol there ('qemu-img rebase -u')"
            );
        }

        string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        return Path.IsPathRooted(name) ? name : Path.Combine(folder, name);
    }

    private static NbdImage OpenExport(string uri, ImageOptions options)
    {
        if ((options.Format ?? ImageFormat.Raw) != ImageFormat.Raw || options.Snapshot is not null)
        {
            throw new ImageException(
                $"'{uri}' is an NBD export, which is raw and has no snapshots; let the server open the format ('qemu-nbd -f qcow2')"
            );
        }

        return NbdImage.Open(
            NbdAddress.Parse(uri),
            new()
            {
                IsReadOnly = options.IsReadOnly,
                IsUnsafe = options.IsUnsafe,
                Tell = options.Warn,
            }
        );
    }

    private static ImageFormat Probe(ImageFile file)
    {
        byte[] first = new byte[(int)Math.Min(ImageFormats.ProbeBytes, file.LengthBytes)];
        file.Read(0, first);
        return ImageFormats.Probe(first);
    }

    private static DiskImage Open(string path, ImageOptions options, List<(ulong Device, ulong Inode)> chain)
    {
        var file = ImageFile.Open(path, options.IsReadOnly, options.IsLocked, options.IsUnsafe);
        try
        {
            Enter(chain, path);
            ImageFormat format = options.Format ?? Probe(file);
            if (options.Snapshot is not null && format != ImageFormat.Qcow2)
            {
                throw new ImageException($"'{path}' is a {ImageFormats.NameOf(format)} image, which has no snapshots");
            }

            return format switch
            {
                ImageFormat.Raw => new RawImage(file, 0, file.LengthBytes),
                ImageFormat.Qcow2 => OpenQcow2(file, options, chain),
                _ => OpenForReading(file, format, options),
            };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Notes a file of a chain.</summary>
    private static void Enter(List<(ulong Device, ulong Inode)> chain, string path)
    {
        FileStatus status = FileStatus.TryGet(path) ?? throw new ImageException($"'{path}' is gone");
        if (chain.Contains((status.Device, status.Inode)))
        {
            throw new ImageException($"'{path}' is a backing image of itself");
        }

        chain.Add((status.Device, status.Inode));
        if (chain.Count > ChainMax)
        {
            throw new ImageException($"'{path}': a chain of more than {ChainMax} backing images");
        }
    }

    private static DiskImage OpenForReading(ImageFile file, ImageFormat format, ImageOptions options)
    {
        if (!options.IsReadOnly)
        {
            throw new ImageException(
                $"'{file.Path}' is a {ImageFormats.NameOf(format)} image, which can only be read; open it read-only, or put an overlay in front of it ('--snapshot')"
            );
        }

        return format switch
        {
            ImageFormat.Vdi => VdiFormat.Open(file),
            ImageFormat.Vhd => VhdFormat.Open(file),
            ImageFormat.Vhdx => VhdxFormat.Open(file),
            _ => VmdkImage.Open(file),
        };
    }

    private static Qcow2Image OpenQcow2(ImageFile file, ImageOptions options, List<(ulong Device, ulong Inode)> chain)
    {
        var image = Qcow2Image.Open(file, options.Snapshot);
        try
        {
            if (options.OpensBacking && image.BackingName is { } name)
            {
                image.SetBacking(OpenBacking(image, name, options, chain));
            }

            return image;
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    private static DiskImage OpenBacking(
        Qcow2Image image,
        string name,
        ImageOptions options,
        List<(ulong Device, ulong Inode)> chain
    )
    {
        if (NbdAddress.IsAddress(name))
        {
            ImageFormat? said = image.BackingFormat is { } known ? ImageFormats.TryParse(known) : null;
            ImageOptions export = new()
            {
                Format = said,
                IsReadOnly = true,
                Warn = options.Warn,
            };
            return OpenExport(name, export);
        }

        string path = BackingPath(image.Path, name);
        ImageFormat? format = null;
        if (image.BackingFormat is { } word)
        {
            format =
                ImageFormats.TryParse(word)
                ?? throw new ImageException(
                    $"'{image.Path}' has a backing image of the format '{word}', which is not supported"
                );
        }
        else
        {
            options.Warn?.Invoke(
                $"'{image.Path}' does not say which format its backing image '{name}' has, so its first bytes decide; whoever has ever written to a raw one may have chosen them. "
                    + "Say it with 'qemu-img rebase -u -b FILE -F FORMAT'"
            );
        }

        try
        {
            // Backing images are always locked: a lock for reading does not shut out another one.
            ImageOptions behind = new()
            {
                Format = format,
                IsReadOnly = true,
                Warn = options.Warn,
            };
            return Open(path, behind, chain);
        }
        catch (Linux.LinuxException exception)
        {
            throw new ImageException(
                $"the backing image of '{image.Path}' cannot be opened: {exception.Message}",
                exception
            );
        }
    }
}
