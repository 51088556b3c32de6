using System.Globalization;
using System.Reflection;

namespace Vireo.Cli.Inspect;

/// <summary>What VIRTIO 1.4 says about a device type, as names and numbers.</summary>
internal sealed class DeviceDescription
{
    private const string Resource = "inspect/devices.txt";

    private readonly Dictionary<int, string> _features = [];
    private readonly List<ConfigField> _config = [];

    private DeviceDescription(string name, int number, string prefix)
    {
        Name = name;
        Number = number;
        Prefix = prefix;
    }

    /// <summary>All types that the specification has in full, in the order of their numbers.</summary>
    public static IReadOnlyList<DeviceDescription> All { get; } = ReadAll();

    /// <summary>What the command line calls the type.</summary>
    public string Name { get; }

    /// <summary>The virtio device id.</summary>
    public int Number { get; }

    /// <summary>What stands between VIRTIO_ and _F_ in the C names of its features.</summary>
    public string Prefix { get; }

    /// <summary>Its feature bits and their names.</summary>
    public IReadOnlyDictionary<int, string> Features => _features;

    /// <summary>The fields of its configuration space, in the order of their offsets.</summary>
    public IReadOnlyList<ConfigField> Config => _config;

    /// <summary>Length of the whole configuration space in bytes; 0 when there is none.</summary>
    public int ConfigLengthBytes => _config.Count == 0 ? 0 : _config[^1].Offset + _config[^1].LengthBytes;

    /// <summary>The type with a name, or null.</summary>
    public static DeviceDescription? Find(string name)
    {
        foreach (DeviceDescription device in All)
        {
            if (string.Equals(device.Name, name, StringComparison.Ordinal))
            {
                return device;
            }
        }

        return null;
    }

    private static List<DeviceDescription> ReadAll()
    {
        List<DeviceDescription> devices = [];
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            string[] words = line.Split(' ');
            switch (words[0])
            {
                case "device":
                    devices.Add(new(words[1], ParseNumber(words[2]), words[3]));
                    break;
                case "feature":
                    devices[^1]._features.Add(ParseNumber(words[1]), words[2]);
                    break;
                case "config":
                    devices[^1].AddField(words);
                    break;
                default:
                    break;
            }
        }

        return devices;
    }

    private void AddField(string[] words)
    {
        List<int> features = [];
        foreach (string name in words.Length > 4 ? words[4].Split('|') : [])
        {
            features.Add(BitOf(name));
        }

        _config.Add(new(ParseNumber(words[1]), ParseNumber(words[2]), words[3], features));
    }

    private int BitOf(string featureName)
    {
        foreach ((int bit, string name) in _features)
        {
            if (string.Equals(name, featureName, StringComparison.Ordinal))
            {
                return bit;
            }
        }

        throw new InvalidDataException($"{Resource}: {Name} has no feature {featureName}");
    }

    private static int ParseNumber(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
