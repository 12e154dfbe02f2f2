// Alerts on what p2c and the Functions host log. Each names the template, where there is one.
param name string
param location string
param tags object
param workspaceId string

@description('Empty: nobody is mailed.')
param email string

@description('By template: lateAfterMinutes.')
param templates object

param rejectedRowsThreshold int

@description('Age of a message above which an alert is raised. Rows to be verified lie there for the settle time.')
param oldMessageMinutes int = 60

@description('Share of messages that were put back for throttling above which an alert is raised.')
param throttledPercent int = 50

var lateTemplates = join(map(items(templates), template => '"${template.key}", ${template.value.lateAfterMinutes}'), ', ')

// measure: the query's column that is compared, empty for the number of rows.
// lookBack: what the query sees, where that is more than the window; two days are the most.
var rules = [
  {
    key: 'poison'
    title: 'Messages failed five times'
    description: 'Their rows are sent round again, and rejected in the end. See "Poison messages" in docs/operations.md.'
    query: loadTextContent('queries/poison.kql')
    severity: 1
    window: 'PT15M'
    lookBack: 'PT15M'
    measure: 'Messages'
    dimension: 'Template'
    threshold: 0
  }
  {
    key: 'rejected'
    title: 'Many rows were rejected'
    description: 'python -m p2c rejected list names them and the reasons.'
    query: loadTextContent('queries/rejected.kql')
    severity: 2
    window: 'PT1H'
    lookBack: 'PT1H'
    measure: 'Rejected'
    dimension: 'Template'
    threshold: rejectedRowsThreshold
  }
  {
    key: 'late'
    title: 'A template has not run'
    description: 'No timer has read its changes in time. The workbook and python -m p2c status say why.'
    query: replace(loadTextContent('queries/late.kql'), '{templates}', lateTemplates)
    severity: 1
    window: 'PT15M'
    lookBack: 'P2D'
    measure: ''
    dimension: 'Template'
    threshold: 0
  }
  {
    key: 'old-messages'
    title: 'Messages wait long on a queue'
    description: 'More changes than F&O takes, or a service that is away. python -m p2c status says which.'
    query: loadTextContent('queries/old-messages.kql')
    severity: 2
    window: 'PT30M'
    lookBack: 'PT30M'
    measure: 'OldestMinutes'
    dimension: 'Function'
    threshold: oldMessageMinutes
  }
  {
    key: 'throttled'
    title: 'A service throttles most messages'
    description: 'p2c leaves it alone as long as it asks. See "A service is away or throttles" in docs/operations.md.'
    query: loadTextContent('queries/throttled.kql')
    severity: 3
    window: 'PT30M'
    lookBack: 'PT30M'
    measure: 'ThrottledPercent'
    dimension: ''
    threshold: throttledPercent
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'p2c'
    enabled: true
    emailReceivers: empty(email) ? [] : [
      {
        name: 'operator'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'alert-${rule.key}-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'p2c: ${rule.title}'
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: rule.window
    overrideQueryTimeRange: rule.lookBack == rule.window ? null : rule.lookBack
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: empty(rule.measure) ? 'Count' : 'Maximum'
          metricMeasureColumn: empty(rule.measure) ? null : rule.measure
          dimensions: empty(rule.dimension) ? [] : [
            {
              name: rule.dimension
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // A new workspace may not know the tables yet. `make test` checks the queries.
    skipQueryValidation: true
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}]
