using System.Text;
using Vireo.Cli.Demo;

namespace Vireo.Tests.Cli.Demo;

public sealed class CpioArchiveTests
{
    private const int HeaderBytes = 110;

    [Fact]
    public void Archive_FolderAndFile_IsLaidOutAsTheKernelReadsIt()
    {
        byte[] archive = Write(writer =>
        {
            writer.AddFolder("etc");
            writer.AddFile("etc/motd", "hello"u8);
        });

        List<(string Name, string Mode, string Content)> entries = Read(archive);

        Assert.Equal(
            [("etc", "000041ed", ""), ("etc/motd", "000081ed", "hello"), ("TRAILER!!!", "00000000", "")],
            entries
        );
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Archive_AnyLength_EndsAligned(int length)
    {
        byte[] archive = Write(writer => writer.AddFile("x", new byte[length]));

        Assert.Equal(0, archive.Length % 4);
        Assert.Equal(2, Read(archive).Count);
    }

    private static byte[] Write(Action<CpioArchive> add)
    {
        using var stream = new MemoryStream();
        var writer = new CpioArchive(stream);
        add(writer);
        writer.Finish();
        return stream.ToArray();
    }

    /// <summary>Reads an archive by the published layout, on its own.</summary>
    private static List<(string Name, string Mode, string Content)> Read(byte[] archive)
    {
        List<(string, string, string)> entries = [];
        int position = 0;
        while (position < archive.Length)
        {
            string header = Encoding.ASCII.GetString(archive, position, HeaderBytes);
            Assert.StartsWith("070701", header, StringComparison.Ordinal);
            int contentLength = Convert.ToInt32(header.Substring(54, 8), 16);
            int nameLength = Convert.ToInt32(header.Substring(94, 8), 16);
            string name = Encoding.UTF8.GetString(archive, position + HeaderBytes, nameLength - 1);
            int contentStart = Align(position + HeaderBytes + nameLength);
            entries.Add((name, header.Substring(14, 8), Encoding.UTF8.GetString(archive, contentStart, contentLength)));
            position = Align(contentStart + contentLength);
        }

        return entries;
    }

    private static int Align(int position) => (position + 3) / 4 * 4;
}
