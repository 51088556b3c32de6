using System.Reflection;
using System.Security.Cryptography;

namespace Vireo.Cli.Demo;

/// <summary>The scripts of <c>eng/guest</c>, which the program carries with it so that it needs no clone beside it.</summary>
internal static class GuestScripts
{
    /// <summary>What the build puts before the names of the embedded files.</summary>
    private const string ResourcePrefix = "guest/";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Unpacks the scripts into the cache, once for each version of them.</summary>
    /// <param name="cacheFolder">The user's cache folder for Vireo; is made if need be.</param>
    /// <returns>The folder they lie in.</returns>
    public static string Unpack(string cacheFolder)
    {
        List<string> names = [];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var assembly = Assembly.GetExecutingAssembly();
        foreach (string resource in assembly.GetManifestResourceNames())
        {
            if (resource.StartsWith(ResourcePrefix, StringComparison.Ordinal))
            {
                names.Add(resource);
                hash.AppendData(Read(assembly, resource));
            }
        }

        string version = Convert.ToHexStringLower(hash.GetHashAndReset())[..12];
        string folder = Path.Combine(cacheFolder, "scripts", version);
        if (Directory.Exists(folder))
        {
            return folder;
        }

        // Appears by rename when it is whole: another run may be looking.
        string work = $"{folder}.{Environment.ProcessId}";
        foreach (string name in names)
        {
            string path = Path.Combine(work, name[ResourcePrefix.Length..]);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, Read(assembly, name));
            File.SetUnixFileMode(path, OwnerOnly);
        }

        try
        {
            Directory.Move(work, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            Directory.Delete(work, recursive: true);
        }

        return folder;
    }

    private static byte[] Read(Assembly assembly, string resource)
    {
        using Stream stream = assembly.GetManifestResourceStream(resource)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
