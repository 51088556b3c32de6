using Vireo.Cli.Demo;
using Vireo.Tests.Linux;
using Vireo.Tests.Tidy;

namespace Vireo.Tests.Cli.Demo;

public sealed class GuestScriptsTests
{
    [Fact]
    public void Unpack_GivesTheRepositorysFiles_AndIsDoneOnce()
    {
        using var cache = new TemporaryFolder();
        string source = Path.Combine(Repository.Root, "eng/guest");

        string folder = GuestScripts.Unpack(cache.Path);
        DateTime made = Directory.GetLastWriteTimeUtc(folder);
        string again = GuestScripts.Unpack(cache.Path);

        Assert.Equal(folder, again);
        Assert.Equal(made, Directory.GetLastWriteTimeUtc(folder));
        string[] files = Directory.GetFiles(source, "*", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        Assert.All(
            files,
            file =>
                Assert.Equal(
                    File.ReadAllBytes(file),
                    File.ReadAllBytes(Path.Combine(folder, Path.GetRelativePath(source, file)))
                )
        );
        Assert.True(File.GetUnixFileMode(Path.Combine(folder, "provision.sh")).HasFlag(UnixFileMode.UserExecute));
    }
}
