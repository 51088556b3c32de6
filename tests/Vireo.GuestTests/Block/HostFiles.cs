using System.Security.Cryptography;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>Looks into an image on the host, without the guest and without Vireo.</summary>
internal static class HostFiles
{
    /// <summary>The file system in an image is clean, and each file in it has the checksum that the guest noted.</summary>
    /// <param name="run">Runs a program that must end well.</param>
    /// <param name="image">A raw image that is one ext4 file system.</param>
    /// <param name="checksums">Lines of sha256sum, with paths from the root of the file system.</param>
    /// <param name="scratch">A folder for the files.</param>
    public static void AssertCleanAndEqual(
        Func<string, string[], string> run,
        string image,
        string checksums,
        string scratch
    )
    {
        run(GuestArtifacts.Program("disktools", "e2fsck"), ["-fn", image]);
        string copy = Path.Combine(scratch, "copy");
        Directory.CreateDirectory(copy);
        run(GuestArtifacts.Program("disktools", "debugfs"), ["-R", $"rdump / {copy}", image]);

        string[] lines = File.ReadAllLines(checksums);
        Assert.NotEmpty(lines);
        List<string> wrong = [];
        foreach (string line in lines)
        {
            // 64 digits, two blanks, "./path"
            string path = Path.Combine(copy, line[68..]);
            if (!File.Exists(path) || !string.Equals(Checksum(path), line[..64], StringComparison.Ordinal))
            {
                wrong.Add(line[68..]);
            }
        }

        Assert.True(
            wrong.Count == 0,
            $"{wrong.Count} of {lines.Length} files differ on the host, first: {string.Join(", ", wrong.Take(5))}"
        );
    }

    private static string Checksum(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}
