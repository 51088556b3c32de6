using System.Reflection;
using System.Text;

namespace Vireo.Cli.Demo;

/// <summary>The scripts a demonstration hands to its guest.</summary>
internal static class DemoFiles
{
    /// <summary>What runs when there is neither a terminal nor a script.</summary>
    public static byte[] Tour => Read("demo/tour.sh");

    /// <summary>What greets the user of a shell.</summary>
    public static string Profile => Encoding.UTF8.GetString(Read("demo/profile.sh"));

    private static byte[] Read(string resource)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
