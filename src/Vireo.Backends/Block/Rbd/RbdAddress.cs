using System.Text;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Rbd;

/// <summary>Which image of a Ceph cluster: <c>rbd:POOL[/NAMESPACE]/IMAGE[@SNAP][:conf=FILE][:id=USER][:OPTION=VALUE]</c>, as QEMU spells it.</summary>
/// <remarks>A backslash takes its meaning from the character behind it. Other options are the cluster's configuration.</remarks>
public sealed record RbdAddress
{
    private const string Prefix = "rbd:";

    private const string Form = "rbd:POOL[/NAMESPACE]/IMAGE[@SNAP][:conf=FILE][:id=USER][:OPTION=VALUE]";

    private RbdAddress(string text) => Text = text;

    /// <summary>The address as it was written.</summary>
    public string Text { get; }

    /// <summary>The pool.</summary>
    public string Pool { get; private init; } = "";

    /// <summary>The namespace; empty for the usual one.</summary>
    public string Namespace { get; private init; } = "";

    /// <summary>The image.</summary>
    public string Image { get; private init; } = "";

    /// <summary>The snapshot; null for the image itself.</summary>
    public string? Snapshot { get; private init; }

    /// <summary>The cluster's configuration; null for the usual one.</summary>
    public string? ConfigurationFile { get; private init; }

    /// <summary>The user, without <c>client.</c>; null for the usual one.</summary>
    public string? User { get; private init; }

    /// <summary>More options of the cluster's configuration.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Settings { get; private init; } = [];

    /// <summary>Whether a name is that of an RBD image and not of a file.</summary>
    public static bool IsAddress(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.StartsWith(Prefix, StringComparison.Ordinal);
    }

    /// <summary>Reads an address.</summary>
    /// <exception cref="ImageException">It is none.</exception>
    public static RbdAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!IsAddress(text) || text.Contains('\0', StringComparison.Ordinal))
        {
            throw Broken(text, "it does not begin with rbd:, or has a character 0");
        }

        List<string> parts = Split(text, text[Prefix.Length..], ':');
        List<string> path = Split(text, parts[0], '/');
        if (path.Count is not (2 or 3))
        {
            throw Broken(
                text,
                $"a pool and an image, or a pool, a namespace and an image, were expected in '{parts[0]}'"
            );
        }

        List<string> image = Split(text, path[^1], '@');
        if (image.Count > 2)
        {
            throw Broken(text, $"'{path[^1]}' has more than one @");
        }

        RbdAddress address = new(text)
        {
            Pool = Name(text, "pool", path[0]),
            Namespace = path.Count == 3 ? Name(text, "namespace", path[1]) : "",
            Image = Name(text, "image", image[0]),
            Snapshot = image.Count == 2 ? Name(text, "snapshot", image[1]) : null,
        };
        return ReadOptions(address, parts);
    }

    private static RbdAddress ReadOptions(RbdAddress address, List<string> parts)
    {
        List<KeyValuePair<string, string>> settings = [];
        for (int index = 1; index < parts.Count; index++)
        {
            int equals = parts[index].IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw Broken(address.Text, $"'{parts[index]}' is not OPTION=VALUE");
            }

            string name = Unescape(parts[index][..equals]);
            string value = Unescape(parts[index][(equals + 1)..]);
            switch (name)
            {
                case "conf":
                    address = address with { ConfigurationFile = Given(address.Text, "file behind conf=", value) };
                    break;
                case "id":
                    address = address with { User = Given(address.Text, "user behind id=", value) };
                    break;
                default:
                    settings.Add(new(name, value));
                    break;
            }
        }

        return address with
        {
            Settings = settings,
        };
    }

    private static string Name(string text, string what, string value) => Given(text, what, Unescape(value));

    private static string Given(string text, string what, string value) =>
        value.Length > 0 ? value : throw Broken(text, $"the {what} is missing");

    /// <summary>Cuts at a character that has no backslash before it; the backslashes stay.</summary>
    private static List<string> Split(string text, string value, char separator)
    {
        List<string> parts = [];
        int start = 0;
        int position = 0;
        while (position < value.Length)
        {
            if (value[position] == '\\')
            {
                position++;
                if (position == value.Length)
                {
                    throw Broken(text, "nothing follows the last backslash");
                }
            }
            else if (value[position] == separator)
            {
                parts.Add(value[start..position]);
                start = position + 1;
            }

            position++;
        }

        parts.Add(value[start..]);
        return parts;
    }

    private static string Unescape(string value)
    {
        StringBuilder plain = new(value.Length);
        for (int index = 0; index < value.Length; index++)
        {
            index += value[index] == '\\' && index + 1 < value.Length ? 1 : 0;
            plain.Append(value[index]);
        }

        return plain.ToString();
    }

    private static ImageException Broken(string text, string why) =>
        new($"'{text}' is not the address of an RBD image: {why}; write {Form}");
}
