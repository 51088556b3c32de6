using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Vireo.Tests.Tidy;

/// <summary>The rooms of the house: who may know whom, and that each device and home has all its parts.</summary>
public sealed partial class RoomTests
{
    [Fact]
    public void ProjectReferences_EqualTheTableInArchitecture()
    {
        Dictionary<string, string> table = [];
        foreach (string line in File.ReadLines(Path.Combine(Repository.Root, "docs/architecture.md")))
        {
            Match row = RoomRow().Match(line);
            if (row.Success)
            {
                table[row.Groups["room"].Value] = Sorted(row.Groups["references"].Value.Split(','));
            }
        }

        Dictionary<string, string> projects = [];
        foreach (string path in Repository.Files("src", "*.csproj"))
        {
            IEnumerable<string> references = XDocument
                .Load(path)
                .Descendants("ProjectReference")
                .Select(static reference =>
                    Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value)[6..]
                );
            projects[Path.GetFileNameWithoutExtension(path)] = Sorted(references);
        }

        Assert.Equal(Lines(projects), Lines(table), StringComparer.Ordinal);
    }

    [Fact]
    public void Devices_HaveTheirFilesPageAndTests()
    {
        List<string> complaints = [];
        foreach (string folder in Directory.EnumerateDirectories(Path.Combine(Repository.Root, "src/Vireo.Devices")))
        {
            string type = Path.GetFileName(folder);
            if (type is "bin" or "obj")
            {
                continue;
            }

            foreach (
                string part in (string[])
                    [
                        $"src/Vireo.Devices/{type}/{type}Device.cs",
                        $"docs/devices/{type.ToLowerInvariant()}.md",
                        $"tests/Vireo.Tests/Devices/{type}",
                        $"tests/Vireo.GuestTests/{type}",
                    ]
            )
            {
                if (!Path.Exists(Path.Combine(Repository.Root, part)))
                {
                    complaints.Add($"the {type} device has no {part}");
                }
            }
        }

        Assert.True(complaints.Count == 0, string.Join('\n', complaints));
    }

    /// <summary>
    /// A home that knows a type of device, or a device that knows a home, shows that the contract lacks something: mend that.
    /// </summary>
    [Fact]
    public void Homes_NameNoDevice_AndDevicesNameNoHome()
    {
        List<string> complaints = [];
        string types = string.Join('|', Folders("src/Vireo.Devices"));
        Regex device = DeviceWord(types);
        foreach (string path in Repository.Files("src/Vireo.Homes", "*.cs"))
        {
            Complain(complaints, path, device, "a home knows only the contract");
        }

        // What homes share among themselves is no home.
        string homes = string.Join(
            '|',
            Folders("src/Vireo.Homes").Where(static name => name is not ("Loops" or "Peers"))
        );
        Regex home = Word($@"Vireo\.Homes|{homes}|vhost|vfio|vdpa", RegexOptions.IgnoreCase);
        foreach (string path in Repository.Files("src/Vireo.Devices", "*.cs"))
        {
            Complain(complaints, path, home, "a device knows only the contract");
        }

        Assert.True(complaints.Count == 0, string.Join('\n', complaints));
    }

    [Theory]
    [InlineData("if (device.Type == DeviceType.Block)")]
    [InlineData("features.With(NetFeatures.Mac)")]
    [InlineData("using Vireo.Devices.Entropy;")]
    public void WhatNamesADevice_IsSeen(string line) => Assert.Matches(DeviceWord("Block|Net|Entropy"), line);

    [Theory]
    [InlineData("if (device.Type != found.Type)")]
    [InlineData("/// <param name=\"deviceType\">Its type.</param>")]
    [InlineData("IReadOnlyList<QueueTraits> queues = device.Queues;")]
    public void WhatNamesNone_IsNot(string line) => Assert.DoesNotMatch(DeviceWord("Block|Net|Entropy"), line);

    [Fact]
    public void MarkdownLinks_Resolve()
    {
        List<string> complaints = [];
        foreach (string path in Repository.Files(".", "*.md"))
        {
            foreach (Match link in MarkdownLink().Matches(File.ReadAllText(path)))
            {
                string target = link.Groups["target"].Value.Split('#')[0];
                if (target.Length == 0 || target.Contains("://", StringComparison.Ordinal))
                {
                    continue;
                }

                if (!Path.Exists(Path.Combine(Path.GetDirectoryName(path)!, target)))
                {
                    complaints.Add($"{Repository.Relative(path)}: the link to {target} leads nowhere");
                }
            }
        }

        Assert.True(complaints.Count == 0, string.Join('\n', complaints));
    }

    private static IEnumerable<string> Lines(Dictionary<string, string> rooms) =>
        rooms.Select(static room => $"{room.Key}: {room.Value}").Order(StringComparer.Ordinal);

    private static IEnumerable<string> Folders(string path) =>
        Directory
            .EnumerateDirectories(Path.Combine(Repository.Root, path))
            .Select(static folder => Path.GetFileName(folder))
            .Where(static name => name is not ("bin" or "obj"));

    private static Regex DeviceWord(string types) =>
        Word(
            $@"Vireo\.Devices|\bDeviceType\.[A-Z]\w+|\b(?:{types})(?:Device|Features|Config|Options|Request|Header)\b",
            RegexOptions.None
        );

    private static Regex Word(string pattern, RegexOptions options) =>
        new(pattern, options | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));

    private static void Complain(List<string> complaints, string path, Regex word, string reason)
    {
        int line = 0;
        foreach (string text in File.ReadLines(path))
        {
            line++;
            if (word.Match(text) is { Success: true } found)
            {
                complaints.Add($"{Repository.Relative(path)}:{line}: names {found.Value}; {reason}");
            }
        }
    }

    private static string Sorted(IEnumerable<string> rooms) =>
        string.Join(
            ", ",
            rooms
                .Select(static room => room.Trim())
                .Where(static room => room is not ("–" or ""))
                .Order(StringComparer.Ordinal)
        );

    [GeneratedRegex(@"^\| `(?<room>Vireo\.\w+)` \| (?<references>[^|]+) \|", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RoomRow();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex MarkdownLink();
}
