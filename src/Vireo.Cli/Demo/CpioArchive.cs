using System.Globalization;
using System.Text;

namespace Vireo.Cli.Demo;

/// <summary>Writes files as a cpio archive that the kernel unpacks into the guest's first file system (the "newc" layout).</summary>
/// <remarks>Linux, Documentation/driver-api/early-userspace/buffer-format.rst: thirteen fields of eight hexadecimal digits.</remarks>
internal sealed class CpioArchive(Stream destination)
{
    private const string Magic = "070701";
    private const string Trailer = "TRAILER!!!";

    /// <summary>Headers and contents begin at multiples of this many bytes.</summary>
    private const int AlignmentBytes = 4;

    private const int DirectoryMode = 0x41ED; // 040755
    private const int ExecutableMode = 0x81ED; // 0100755

    private int _lastInode;
    private long _position;

    /// <summary>Adds a folder.</summary>
    /// <param name="path">Without a leading slash; the folder it lies in must be there.</param>
    public void AddFolder(string path) => AddEntry(path, DirectoryMode, [], links: 2);

    /// <summary>Adds a file that may be read and run.</summary>
    /// <param name="path">Without a leading slash; the folder it lies in must be there.</param>
    /// <param name="content">All of it.</param>
    public void AddFile(string path, ReadOnlySpan<byte> content) => AddEntry(path, ExecutableMode, content, links: 1);

    /// <summary>Writes the end mark.</summary>
    public void Finish() => AddEntry(Trailer, mode: 0, [], links: 1);

    private void AddEntry(string path, int mode, ReadOnlySpan<byte> content, int links)
    {
        byte[] name = Encoding.UTF8.GetBytes(path + '\0');
        _lastInode++;
        ReadOnlySpan<int> fields =
        [
            _lastInode,
            mode,
            0, // owner
            0, // group
            links,
            0, // time of change
            content.Length,
            0, // device of the file, major and minor
            0,
            0, // device that the file is, major and minor
            0,
            name.Length,
            0, // checksum: of another layout
        ];
        var header = new StringBuilder(Magic);
        foreach (int field in fields)
        {
            header.Append(field.ToString("x8", CultureInfo.InvariantCulture));
        }

        Write(Encoding.ASCII.GetBytes(header.ToString()));
        Write(name);
        Align();
        Write(content);
        Align();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        destination.Write(bytes);
        _position += bytes.Length;
    }

    private void Align()
    {
        int excess = (int)(_position % AlignmentBytes);
        if (excess != 0)
        {
            Write("\0\0\0"u8[..(AlignmentBytes - excess)]);
        }
    }
}
